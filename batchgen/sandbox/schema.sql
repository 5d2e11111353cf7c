-- The whole state of a sandbox. Times are seconds since 1970 in UTC, money is
-- nano-dollars.

create table if not exists settings (
    name text primary key,
    value
) without rowid;

-- Every purchase request that arrived, without the key. `number` counts them for
-- each provider, from 1.
create table if not exists requests (
    id integer primary key,
    provider text not null,
    number integer not null,
    at real not null,
    headers text not null,
    body text not null,
    outcome text not null,
    path text not null default '',
    unique (provider, number)
);

-- How often a valid request with this content was seen.
create table if not exists seen (
    provider text not null,
    content text not null,
    times integer not null,
    primary key (provider, content)
) without rowid;

create table if not exists bill (
    id text primary key,
    provider text not null,
    at real not null,
    amount_nano integer not null,
    prompt text not null,
    resolution text not null,
    status text not null
);

-- All that is needed to draw an image again; never the image itself. `link` counts
-- the links that were issued: only the last one works. `first` is the first image of
-- the same purchase, null for that image itself; `position` counts from 1.
create table if not exists images (
    id text primary key,
    provider text not null,
    content text not null,
    occurrence integer not null,
    prompt text not null,
    width_px integer not null,
    height_px integer not null,
    format text not null,
    link integer not null default 1,
    issued_at real not null,
    link_state text not null default 'live',
    downloads integer not null default 0,
    position integer not null default 1,
    first text references images (id)
);

create index if not exists images_of_a_purchase on images (first)
where first is not null;

-- Reference images that a client uploaded, with their bytes.
create table if not exists uploads (
    id text primary key,
    provider text not null,
    at real not null,
    ends_at real,
    file_name text not null,
    media_type text not null,
    size_bytes integer not null,
    sha256 text not null,
    record text not null,
    data blob not null
);

create table if not exists tasks (
    id text primary key,
    provider text not null,
    content text not null,
    occurrence integer not null,
    model text not null,
    prompt text not null,
    resolution text not null,
    created_at real not null,
    ready_at real not null,
    ending text not null,
    image text not null references images (id),
    amount_nano integer not null,
    bill_status text not null,
    settled integer not null default 0,
    times_completed_seen integer not null default 0
);

create index if not exists tasks_to_settle on tasks (ready_at) where settled = 0;
