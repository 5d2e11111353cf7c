from __future__ import annotations

import pytest

from batchgen import errors
from batchgen.errors import AttemptError
from batchgen.providers._reasons import (
    asks_too_much,
    blames_account,
    blames_key,
    blames_model,
    error_type_in,
    lacks_credit,
    mentions_broken_connection,
    mentions_timeout,
    policy_reason,
    says_task_unknown,
    split_identifiers,
)


@pytest.mark.parametrize(
    "text",
    [
        "Your prompt was blocked: IMAGE_SAFETY",
        "finishReason: SAFETY",
        "No image generated (SAFETY)",
        "blockReason=PROHIBITED_CONTENT",
        "upstream stopped: IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "reason BLOCKLIST",
        "content_policy_violation",
        "This request violates our content policies",
        "The prompt violates Google's Generative AI Prohibited Use Policy",
        "It may violate our usage guidelines",
        "Your request was rejected as a result of our safety system.",
        "The safety system flagged it",
        "Image generation failed due to safety reasons",
        "blocked by Google's safety filters",
        "The image was flagged by moderation",
        "moderation_blocked",
        "Response blocked",
        "The output contains sexually explicit material",
        "NSFW content detected",
        "sensitive words detected",
        "Potentially unsafe prompt",
        "harmful content",
        "We cannot make this image for safety reasons",
        "blocked for safety",
        "Rejected: safety policy",
        "Prompt rejected: NSFW",
        "This may be copyrighted",
        # identifiers in every spelling
        "sensitive_words_detected",
        "sensitiveWordsDetected",
        "upstream_sensitive_words_detected_error",
        "OutputImageSensitiveContentDetected",
        "InputTextSensitiveContentDetected.PrivacyInformation",
        "content-policy-violation",
        "ContentPolicyViolation",
        "ResponsibleAIPolicyViolation",
        "ModerationBlocked",
        "content_moderation_error",
        "DataInspectionFailed",
        "data_inspection_failed",
        "InputTextRiskDetection",
        "PUBLIC_ERROR_UNSAFE_GENERATION",
        "unsafe_content",
        "prompt_blocked",
        "nsfw_content_detected",
        "safety_violations=[sexual]",
        "finish reason: ESCALATION",
        "finishReason: MODEL_ARMOR",
        "Content Exists Risk",
        "The image may contain sensitive information",
        # other languages
        "提示词违规，内容审核没有通过",
        "输入内容包含敏感词",
        "违反平台使用政策",
        "内容审核未通过",
        "コンテンツポリシー違反です",
        "콘텐츠 정책을 위반했습니다",
        "Verstößt gegen unsere Inhaltsrichtlinien",
        "Contraire à notre politique de contenu",
        "Infringe la política de contenido",
        "Запрос нарушает правила",
        "O pedido viola a política de conteúdo",
        "Infringe nuestras políticas de uso",
        "Запрос отклонён системой модерации",
        "Treść narusza nasze zasady",
        "Dit verzoek schendt het contentbeleid",
        "Vi phạm chính sách nội dung",
        "Melanggar kebijakan konten",
        "The request was rejected because it was considered high risk",
        "Failure to pass the risk control system",
    ],
)
def test_words_of_a_content_policy_are_recognized(text: str) -> None:
    assert policy_reason(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Internal server error",
        "Body validation error: prompt is required",
        "unsafe characters in JSON",
        "safety_filter_level must be one of BLOCK_NONE, BLOCK_ONLY_HIGH",
        "Invalid value for safety settings",
        "rejected: invalid value for safety_filter_level",
        "Additional properties are prohibited",
        "The moderation service is unavailable",
        "image_urls[0]: download blocked by robots.txt",
        "Request violates the rate limit policy of your plan",
        "Your IP is blocked",
        "Field names are case-sensitive",
        "Invalid content type: expected application/json",
        "No output was generated: OTHER",
        "NO_IMAGE",
        "MAX_TOKENS",
        "Failed while drawing 'A SAFETY HELMET on a peg'",
        "retry policy exhausted",
        "rejected: invalid value for safetyFilterLevel",
        "Missing field safety-settings",
        "A note on the ESCALATION of a quarrel",
        "caseSensitive must be true",
        "账户违约金",
        "审核中",
        "content_length is required",
        "imageRiskLevel must be low",
        "Failed while drawing 'a poster for road safety'",
        "Missing Content-Security-Policy",
        "explicit null is not allowed",
    ],
)
def test_an_ordinary_error_is_not_called_a_refusal(text: str) -> None:
    assert policy_reason(text) is None


@pytest.mark.parametrize(
    ("text", "is_blamed"),
    [
        ("Unknown model: gemini-2-flash", True),
        ("The model `gpt-x` does not exist", True),
        ("Model google/nano-banana-1 not found", True),
        ("model_not_found", True),
        ("The model is no longer available", True),
        ("The model is under maintenance", False),
        ("Invalid model parameters", False),
        ("The model does not support resolution 4K", False),
        ("Model is not available for 4K", False),
        ("Invalid aspect_ratio for model google/nano-banana-2", False),
        ("prompt is required", False),
    ],
)
def test_only_an_error_about_the_model_itself_blames_it(
    text: str,
    is_blamed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert blames_model(text) is is_blamed


@pytest.mark.parametrize(
    ("text", "is_empty"),
    [
        ("You've run out of credits. Please top up your balance.", True),
        ("Insufficient balance", True),
        ("insufficient_user_quota", True),
        ("INSUFFICIENT_BALANCE_ERROR", True),
        ("Not enough account credits", True),
        ("Your balance is too low", True),
        ("no credits left", True),
        ("No credits were charged for this request", False),
        ("Your prepayment credits are depleted.", True),
        ("This project's prepayment credits are used up.", True),
        ("budget_exceeded", True),
        ("ExceededBudget: Budget has been exceeded! Current cost: 1.0", True),
        ("Billing hard limit has been reached", True),
        ("Exhausted balance", True),
        ("User is locked. Reason: Exhausted balance. Top up your balance", True),
        ("insufficientUserQuota", True),
        ("You exceeded your current quota", True),
        ("litellm.RateLimitError: You exceeded your current quota", True),
        ("You exceeded your current quota. Limit: 20. Retry in 2s.", False),
        ("You exceeded your current quota; quotaId: RequestsPerMinute", False),
        ("exceeded your current quota (status: RESOURCE_EXHAUSTED)", False),
        ("Resource has been exhausted (e.g. check quota).", False),
        ("Quota exceeded for metric free_tier_requests, limit: 0", True),
        ("Quota exceeded for metric requests, limit: 0.5", False),
        ("Quota exceeded for metric requests, limit: 100", False),
        ("top_k: limit: 0", False),
        ("The image lacks white balance", False),
        ("余额不足", True),
        ("您的账户已欠费", True),
        ("用户额度不足, 剩余额度: ¥0.00", True),
        ("预扣费失败 (预扣费额度失败)", True),
        ("クレジットが不足しています", True),
        ("크레딧이 부족합니다", True),
        ("Guthaben aufgebraucht", True),
        ("Nicht genügend Guthaben", True),
        ("Solde insuffisant", True),
        ("Saldo insuficiente", True),
        ("Credito insufficiente", True),
        ("Недостаточно средств на балансе", True),
        ("No tienes suficientes créditos", True),
        ("Conta sem saldo", True),
        ("Niewystarczające środki na koncie", True),
        ("Onvoldoende saldo", True),
        ("Bakiye yetersiz", True),
        ("Tài khoản không đủ số dư", True),
        ("Saldo tidak mencukupi", True),
        ("رصيد غير كاف", True),
        ("A prompt about a credit card", False),
        ("there is no credit card in the image", False),
        ("no white balance", False),
        ("credits must be a number", False),
        ("rate quota exceeded", False),
    ],
)
def test_only_an_error_about_the_account_says_that_credit_is_out(
    text: str,
    is_empty: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert lacks_credit(text) is is_empty


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Blocked by the content policy", errors.Refused),
        ("insufficient credits for this model", errors.OutOfCredit),
        ("Unknown model: x", errors.ModelGone),
        ("Rate limit exceeded", errors.Throttled),
        ("RATE_LIMIT", errors.Throttled),
        ("Too many requests", errors.Throttled),
        ("Unauthorized", errors.CredentialRejected),
        ("Invalid API key", errors.CredentialRejected),
        ("API key is not active", errors.CredentialRejected),
        ("prompt is required", errors.RequestInvalid),
        ("Unsupported value: 7:5", errors.RequestInvalid),
        ("Image generation failed", None),
        ("A piano with a missing key signature", None),
        ("internal error", None),
        ("", None),
    ],
)
def test_words_alone_tell_what_went_wrong_or_nothing(
    text: str, kind: type[AttemptError] | None
) -> None:
    assert error_type_in(text) is kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sensitive_words_detected", "sensitive words detected"),
        ("OutputImageSensitive", "Output Image Sensitive"),
        ("AIPolicy", "AI Policy"),
        ("safety-filter-level", "safety filter level"),
        ("a - b_ _c", "a - b_ _c"),
        ("余额_不足", "余额_不足"),
    ],
)
def test_identifiers_are_split_into_their_words(text: str, words: str) -> None:
    assert split_identifiers(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "Your account has been disabled",
        "Your API account is not active, please check your billing details",
        "account_deactivated",
        "Consumer 'api_key:1' has been suspended.",
        "unsupported_country_region_territory",
        "User location is not supported for the API use.",
        "Your organization must be verified to use the model",
        "finish reason: PUP_LIMITED_DISABLED",
        "Generative API has not been used in project 1 before or it is disabled",
        "该账号已被封禁",
        "Ihr Konto wurde gesperrt",
    ],
)
def test_an_account_is_blamed_by_what_was_done_to_it(text: str) -> None:
    assert blames_account(text)
    assert error_type_in(text) is errors.CredentialRejected


@pytest.mark.parametrize(
    "text",
    [
        "Repeated violations may lead to suspension of your account",
        "Failed while drawing 'a user is locked in a room'",
        "account is required",
        "The project was not found",
        "用户输入",
    ],
)
def test_an_account_is_not_blamed_for_being_named(text: str) -> None:
    assert not blames_account(text)


@pytest.mark.parametrize(
    ("text", "is_blamed"),
    [
        ("Your API key was reported as leaked.", True),
        ("API_KEY_INVALID", True),
        ("invalid_api_key", True),
        ("No api key passed in", True),
        ("Could not validate credentials", True),
        ("No connected db.", True),
        ("无效的令牌", True),
        ("API key 不正确", True),
        ("密钥无效", True),
        ("Ungültiger API-Schlüssel", True),
        ("Clé API invalide", True),
        ("La clave API no es válida", True),
        ("Chave de API inválida", True),
        ("Неверный API-ключ", True),
        ("This endpoint requires a valid model", False),
        ("A piano with a missing key signature", False),
        ("The token limit is 20", False),
        ("Permission denied", False),
    ],
)
def test_a_key_is_blamed_by_its_own_words(
    text: str,
    is_blamed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert blames_key(text) is is_blamed


@pytest.mark.parametrize(
    ("text", "is_too_much"),
    [
        (
            "Request too large for x on tokens per min: Limit 20000, Requested 47463",
            True,
        ),
        ("limit 20,000, requested 47,463", True),
        ("Limit 20000, Used 19000, Requested 1500", False),
        ("You requested more than the limit", True),
        ("requestTooLarge", True),
        ("Too many requests", False),
    ],
)
def test_only_a_request_above_the_limit_itself_asks_too_much(
    text: str,
    is_too_much: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert asks_too_much(text) is is_too_much


@pytest.mark.parametrize(
    ("text", "is_late", "is_broken"),
    [
        ("litellm.Timeout: APITimeoutError - Request timed out.", True, True),
        ("litellm.APIConnectionError", False, True),
        ("upstream timed out", True, False),
        ("Deadline expired before operation could complete.", True, False),
        ("context deadline exceeded", True, False),
        ("connection reset by peer", False, True),
        ("read ECONNRESET", False, True),
        ('Post "https://up.example/v1/images": EOF', False, True),
        ("EOF", False, True),
        ("do_request_failed", False, True),
        ("stream closed before response.completed", False, True),
        ("invalid EOF marker in the file", False, False),
        ("upstream prematurely closed connection", False, True),
        ("请求超时", True, False),
        ("the upstream took too long", True, False),
        ("Internal server error", False, False),
        ("The model is overloaded", False, False),
        ("upstream is not reachable", False, False),
        ("An error while processing your request", False, False),
    ],
)
def test_words_tell_of_a_timeout_and_of_a_connection_that_broke(
    text: str,
    is_late: bool,  # noqa: FBT001 - a column of the table
    is_broken: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert (mentions_timeout(text), mentions_broken_connection(text)) == (
        is_late,
        is_broken,
    )


@pytest.mark.parametrize(
    ("text", "is_unknown"),
    [
        ("Task not found", True),
        ("task task-1 does not exist", True),
        ("task_not_exist", True),
        ("任务不存在", True),
        ("Image not found for task", False),
        ("invalid task type", False),
    ],
)
def test_a_task_is_unknown_where_the_words_say_so(
    text: str,
    is_unknown: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert says_task_unknown(text) is is_unknown


def test_a_long_error_is_searched_in_no_time() -> None:
    """No phrase may be one that tries every way to split a long text."""
    for text in ("violates " * 3_000, "model " * 3_000, "a_b" * 5_000, "余额" * 9_000):
        assert error_type_in(text) in {None, errors.Refused}


@pytest.mark.parametrize("quote", ["'{}'", '"{}"', "`{}`", "“{}”", "「{}」"])
@pytest.mark.parametrize(
    "words",
    [
        "a clown out of balance on a rope",
        "a judge says: your account has been suspended",
        "nudity in Greek art",
        "an invalid api key",
        "提示词违规",
    ],
)
def test_a_prompt_that_is_quoted_accuses_nobody(quote: str, words: str) -> None:
    quoted = quote.format(words)

    assert error_type_in(f"Failed while drawing {quoted}") is None
    assert error_type_in(f"Cannot make an image; prompt: {quoted} (code 7)") is None
    assert error_type_in(f"upstream said {quoted}") is not None
