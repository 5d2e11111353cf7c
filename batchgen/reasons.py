"""What the words of an error blame: content, model, account, pace or request.

No provider has a list of its words; what is documented is marked, the rest are
phrases in common use [assumed]. Each is narrow, since errors quote prompts.
"""

from __future__ import annotations

import re

from batchgen.errors import (
    AttemptError,
    CredentialRejected,
    ModelGone,
    OutOfCredit,
    Refused,
    RequestInvalid,
    Throttled,
)

# No provider documents its words of refusal; these are Google's reasons
# (ai.google.dev, read 2026-11-20) and phrases in common use [assumed].
_POLICY = re.compile(
    r"""
    content[ _-]?polic(?:y|ies) | content[ _-]filter(?:ed|ing|s)?\b(?![ ]level)
    | responsible[ _]ai | \bpolicy[ _]violation | moderation_blocked
    | (?:IMAGE_)?PROHIBITED_CONTENT | IMAGE_SAFETY
    | (?-i:\b(?:SPII|BLOCKLIST|(?:IMAGE_)?RECITATION)\b)
    | (?:reason|blocked|code|\(|^)\W{0,4}(?-i:SAFETY)\b
    | \bviolat\w+\b(?:(?!\brate|quota|concurren|cors).){0,60}
      \b(?:polic(?:y|ies)|guidelines?|terms[ ]of)\b
    | \bfor[ ]safety[ ]reasons | \bsafety[ ]polic(?:y|ies)\b
    | \b(?:flagged|blocked|rejected|refused|filtered|denied)\W+(?:\w+\W+){0,3}?
      (?:safety|nsfw)\b(?![ ]?settings|[ ]filter[ ]level)
    | \b(?:due[ ]to|because[ ]of|result[ ]of|by|triggered|violat\w+)
      \W+(?:\w+\W+){0,3}?safety\b(?!_|[ ]?settings|[ ]filter[ ]level)
    | \bsafety[ ](?:filter|check|system)s?\W+(?:\w+\W+){0,2}?
      (?:block|reject|trigger|flag|refus)
    | \b(?:flagged|blocked|rejected|refused|pass)\W+(?:\w+\W+){0,4}?moderation\b
    | \bmoderation\W+(?:\w+\W+){0,2}?(?:flagged|blocked|rejected|refused)
    | \b(?:prompt|image|content|output|generation|response)s?[ ]
      (?:(?:was|were|is|has[ ]been|have[ ]been)[ ])?(?:blocked|flagged|prohibited)
    | \bprohibited[ ](?:content|use)\b
    | \b(?:unsafe|harmful|inappropriate|nsfw|explicit)[ ]
      (?:content|image|prompt|output|material)
    | \b(?:flagged|deemed|considered|potentially)[ ](?:as[ ])?(?:unsafe|harmful|nsfw)
    | (?<!case[ -])\bsensitive[ _](?:words?|content)\b
    | \bsexual(?:ly)?[ ](?:explicit|content|suggestive|material)
    | \b(?:nudity|hate[ ]speech|csam)\b | \bcopyright(?:ed|[ ](?:infring|violat))
    """,
    re.IGNORECASE | re.VERBOSE,
)


def policy_reason(text: str) -> str | None:
    """Return the words of an error that name a content policy, or None."""
    found = _POLICY.search(text)
    return found.group().strip(" (") if found else None


_VERDICT = re.compile(
    r"\b(?:IMAGE_SAFETY|IMAGE_RECITATION|(?:IMAGE_)?PROHIBITED_CONTENT)\b"
)


def is_verdict(text: str) -> bool:
    """Say whether an error holds one of Google's own reasons for refusing an image."""
    return _VERDICT.search(text) is not None


_MODEL = re.compile(
    r"""
    \b(?:invalid|unknown|unsupported|unrecognized|no[ ]such)[ ]model\b
      (?![ ](?:param|option|input|output|setting|arg))
    | \bmodel\b\W+(?:[\w./:-]+\W+)?(?:(?:is|was|has[ ]been)[ ])?
      (?:not[ ]found|not[ ]exist|does[ ]not[ ]exist|doesn't[ ]exist|unknown|invalid
       |not[ ]available|no[ ]longer|not[ ]supported|deprecated|retired|shut[ ]down)
      (?![ ](?:for|with|at|option|param))
    | \bmodel_not_found\b | \bpath:[ ]model\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def blames_model(text: str) -> bool:
    """Say whether an error is about the model's name itself [assumed phrases]."""
    return _MODEL.search(text) is not None


_CREDIT = re.compile(
    r"""
    \b(?:run[ ]out[ ]of|out[ ]of|insufficient|not[ ]enough)
      (?:[ _]\w+){0,2}?[ _](?:credits?(?![ ]card)|balance|funds|quota)(?![^\W_])
    | \bno[ ](?:more[ ]|remaining[ ])?credits\b
    | \b(?:credits?|balance|funds)[ _](?:(?:is|are|has[ ]been)[ ])?
      (?:insufficient|exhausted|depleted|used[ ]up|too[ ]low|not[ ]enough)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def lacks_credit(text: str) -> bool:
    """Say whether an error is about an account without money.

    AI/ML API documents "run out of credits" [found]; the other phrases are [assumed].
    """
    return _CREDIT.search(text) is not None


_RATE = re.compile(r"\brate[ _-]?limit|\btoo many requests|\bthrottl", re.IGNORECASE)
_KEY = re.compile(
    r"""
    \bunauthori[sz]ed\b | \bauthentication[ _]
    | \b(?:invalid|missing|unknown|expired|revoked|incorrect)
      [ _](?:api|access)[ _-]?key\b
    | \bapi[ _-]?key[ _](?:is[ _])?(?:not|invalid|missing|expired|revoked|disabled)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FIELD = re.compile(
    r"""
    \b(?:is|are)[ ]required\b | \bmust[ ]be\b | \bnot[ ]supported\b
    | \b(?:invalid|unsupported|unknown|missing)[ ](?:request[ ])?
      (?:param|field|value|argument|prompt|image_size|num\b|ref_images)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def blamed(text: str) -> type[AttemptError] | None:
    """Return the error that words alone tell of, None where they tell of none."""
    told: dict[type[AttemptError], object] = {
        Refused: policy_reason(text),
        OutOfCredit: lacks_credit(text),
        ModelGone: blames_model(text),
        Throttled: _RATE.search(text),
        CredentialRejected: _KEY.search(text),
        RequestInvalid: _FIELD.search(text),
    }
    return next((kind for kind, found in told.items() if found), None)


# `invalid_image_url` is documented by foxapi.cc (docs.foxapi.cc, read 2026-11-20); the
# others are phrases in common use [assumed]. `_` is read as a space.
_REFERENCE = re.compile(
    r"""
    \b(?:invalid|bad|expired)[ -]?(?:ref(?:erence)?[ ]|input[ ])?(?:image|file)[ ]?
      (?:urls?|uris?|links?)\b
    | \b(?:image|file|ref(?:erence)?|input)s?[ -]?(?:images?[ -]?)?
      (?:urls?|uris?|links?)\b
      (?:\W+\w+){0,4}?\W+(?:expired|invalid|unreachable|inaccessible|unavailable
        |not[ ](?:accessible|reachable|found|available|downloadable)|40[34]|410)\b
    | \b(?:fail(?:ed|ure)?|unable|can(?:not|'t|[ ]not)|could[ ](?:not|n't)|couldn't
        |errors?)\b(?:\W+(?:to|while|when|in))?\W+
      (?:download|fetch|retriev|access)\w*\W+(?:\w+\W+){0,4}?
      (?:image|reference|file|url|link|picture)s?\b
    | \b(?:image|reference|file|url|link|picture)s?\W+(?:\w+\W+){0,3}?
      (?:download|fetch)\w*\W+(?:\w+\W+){0,2}?(?:fail|error|timed[ ]?out|timeout)
    | \b(?:image|reference|file|url|link|picture)s?\b(?:\W+\S+){0,3}?\W+
      (?:could[ ]not|cannot|can't|failed[ ]to)[ ]be[ ](?:download|fetch|retriev|access)
    | (?:图片|图像|参考图|链接).{0,12}
      (?:下载失败|获取失败|无法(?:访问|下载|读取|获取)|过期|失效|不存在)
    | (?:下载|获取|读取|加载)(?:参考|输入)?(?:图片|图像|参考图)(?:失败|出错|超时)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def blames_reference(text: str) -> bool:
    """Say whether an error is about a reference image that cannot be fetched."""
    return _REFERENCE.search(text.replace("_", " ")) is not None
