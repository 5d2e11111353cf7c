-- name: read_setting
select value from settings where name = :setting;

-- name: write_setting
insert or replace into settings (name, value) values (:setting, :value);

-- name: next_number
select coalesce(max(number), 0) + 1 from requests where provider = :provider;

-- name: add_request
insert into requests (provider, number, at, path, headers, body, outcome)
values (:provider, :number, :at, :path, :headers, :body, :outcome)
returning id;

-- name: set_outcome
update requests set outcome = :outcome where id = :request;

-- name: count_seen
insert into seen (provider, content, times) values (:provider, :content, 1)
on conflict do update set times = times + 1
returning times;

-- name: add_charge
insert into bill (id, provider, at, amount_nano, prompt, resolution, status)
values (:id, :provider, :at, :amount_nano, :prompt, :resolution, :status);

-- name: add_image
insert into images (
    id, provider, content, occurrence, prompt, width_px, height_px, format, issued_at,
    position, first
) values (
    :id, :provider, :content, :occurrence, :prompt, :width_px, :height_px, :format,
    :issued_at, :position, :first
);

-- name: add_task
insert into tasks (
    id, provider, content, occurrence, model, prompt, resolution, created_at,
    ready_at, ending, image, amount_nano, bill_status
) values (
    :id, :provider, :content, :occurrence, :model, :prompt, :resolution, :created_at,
    :ready_at, :ending, :image, :amount_nano, :bill_status
);

-- name: count_download
update images set downloads = downloads + 1
where id = :id and provider = :provider
returning *;

-- name: end_link
update images set link_state = :link_state where id = :id;

-- name: read_images
select * from images where id = :id or first = :id order by position;

-- name: renew_link
update images set link = link + 1, link_state = 'live', issued_at = :now
where id = :id
returning *;

-- name: read_task
select * from tasks where id = :id and provider = :provider;

-- name: count_completed_seen
update tasks set times_completed_seen = times_completed_seen + 1 where id = :id;

-- name: charge_due_tasks
insert into bill (id, provider, at, amount_nano, prompt, resolution, status)
select id, provider, ready_at, amount_nano, prompt, resolution, bill_status
from tasks
where settled = 0 and ready_at <= :now and amount_nano > 0
order by ready_at;

-- name: settle_due_tasks
update tasks set settled = 1 where settled = 0 and ready_at <= :now;

-- name: list_bill
select * from bill where provider = :provider or :provider is null order by rowid;

-- name: list_requests
select * from requests order by id;

-- name: add_upload
insert into uploads (
    id, provider, at, ends_at, file_name, media_type, size_bytes, sha256, record, data
) values (
    :id, :provider, :at, :ends_at, :file_name, :media_type, :size_bytes, :sha256,
    :record, :data
);

-- name: read_upload
select * from uploads where id = :id and provider = :provider;

-- name: list_uploads
select id, provider, at, ends_at, file_name, media_type, size_bytes, sha256, record
from uploads order by rowid;
