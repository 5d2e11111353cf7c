"""The phrases with which errors name their cause, as patterns for `reasons`.

No provider publishes a list of its phrases. Those from a page or a captured reply have
a source; the others are in common use [assumed]. Each pattern is narrow, because
errors quote prompts. Identifiers are split into words before matching, so a phrase is
written once, with spaces, for snake_case, camelCase and kebab-case alike.
"""

from __future__ import annotations

import re


def _phrases(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


# Google's own reasons: ai.google.dev, read 2026-11-20; ESCALATION and MODEL_ARMOR:
# google-genai 3.6.1, read 2026-11-30. Dashscope: DataInspectionFailed; Volcengine:
# OutputImageSensitiveContentDetected (Comfy-Org/ComfyUI#13883); new-api:
# sensitive_words_detected (QuantumNous/new-api#4499). The others are [assumed].
POLICY = _phrases(
    r"""
    content[ _-]?polic(?:y|ies) | content[ _-]filter(?:ed|ing|s)?\b(?![ ]level)
    | responsible[ _]ai | \bpolicy[ _]violation | moderation[ _]blocked
    | (?:IMAGE_)?PROHIBITED_CONTENT | IMAGE_SAFETY | (?-i:\bMODEL_ARMOR\b)
    | (?-i:\b(?:SPII|BLOCKLIST|(?:IMAGE_)?RECITATION)\b)
    | (?:reason|blocked|code|\(|^)\W{0,4}(?-i:SAFETY|ESCALATION)\b
    | \bviolat\w+\b(?:(?!\brate|quota|concurren|cors).){0,60}
      \b(?:polic(?:y|ies)|guidelines?|terms[ ]of)\b
    | \bfor[ ]safety[ ]reasons | \bsafety[ ](?:polic(?:y|ies)|violations?)\b
    | \b(?:flagged|blocked|rejected|refused|filtered|denied)\W+(?:\w+\W+){0,3}?
      (?:safety|nsfw)\b(?![ _]?settings|[ _]filter[ _]level)
    | \b(?:due[ ]to|because[ ]of|result[ ]of|by|triggered|violat\w+)
      \W+(?:\w+\W+){0,3}?safety\b(?!_|[ ]?settings|[ ]filter[ ]level)
    | \bsafety[ ](?:filter|check|system)s?\W+(?:\w+\W+){0,2}?
      (?:block|reject|trigger|flag|refus)
    | \b(?:flagged|blocked|rejected|refused|pass)\W+(?:\w+\W+){0,4}?moderation\b
    | \bmoderation\W+(?:\w+\W+){0,2}?(?:flagged|blocked|rejected|refused)
    | \bcontent[ ]moderation[ ](?:error|failed|failure|violation|triggered)\b
    | \bdata[ ]inspection[ ]failed\b | \bcontent[ ]exists[ ]risk\b
    | \b(?:text|image|prompt|content)[ ]risk[ ](?:detection|detected|control)\b
    | \b(?:prompt|image|content|output|generation|response)s?[ ]
      (?:(?:was|were|is|has[ ]been|have[ ]been)[ ])?(?:blocked|flagged|prohibited)
    | \bblocked[ ](?:prompt|content)\b
    | \bprohibited[ ](?:content|use)\b
    | \b(?:unsafe|harmful|inappropriate|nsfw|explicit|objectionable)[ ]
      (?:content|image|prompt|output|material|generation)
    | \bnsfw[ ]detected\b | \bprominent[ ]people\b
    | \b(?:flagged|deemed|considered|potentially)[ ](?:as[ ])?
      (?:unsafe|harmful|nsfw|high[ -]risk)
    | \brisk[ ]control[ ]system\b
    | (?<!case[ -])\bsensitive[ _](?:words?|content)\b
    | \b(?:contains?|holds?|includes?|detected)[ ](?:\w+[ ])?sensitive[ ]information\b
    | \bsexual(?:ly)?[ ](?:explicit|content|suggestive|material)
    | \b(?:nudity|hate[ ]speech|csam)\b | \bcopyright(?:ed|[ ](?:infring|violat))
    # Chinese, Japanese, Korean
    | (?:提示词|关键词|内容|图片|图像|文本|输入|输出|请求|涉嫌|包含|含有|存在|触发)
      .{0,4}(?:违规|违禁|敏感|不合规|色情)
    | 违规(?:内容|词|信息) | 敏感(?:词|内容|信息)
    | 违反.{0,12}(?:政策|规定|规范|法规|条款|准则)
    | (?:内容|安全|图片|文本|提示词)?审核.{0,4}(?:没有通过|未通过|不通过|失败|拒绝|拦截)
    | (?:没有|未能?|不)通过.{0,6}审核
    | 安全(?:策略|机制|系统).{0,4}(?:拦截|拒绝|阻止)
    | (?:ポリシー|規約|ガイドライン).{0,4}違反
    | (?:不適切|センシティブ)な(?:内容|コンテンツ)
    | (?:정책|가이드라인).{0,4}위반 | (?:부적절|유해)한[ ]?(?:콘텐츠|내용)
    # German, French, Spanish, Portuguese, Italian, Russian
    | \binhaltsrichtlinie
    | \bverst(?:ö|oe)(?:ß|ss)t\W+gegen\W+(?:\w+\W+){0,3}?\w*richtlinie
    | \b(?:politiques?|pol[ií]ticas?|politiche|règles)[ ](?:de|du|di|dei)[ ]
      (?:conte[nú]|utilis|us[eo]\b)
    | \bконтент\w*[ ]политик
    | \bполитик\w*[ ](?:контента|безопасности|использования)
    | \bнаруша\w+[ ](?:\w+[ ]){0,2}?(?:правил|политик)
    | \bотклон\w+[ ](?:\w+[ ]){0,2}?модерац
    # Polish, Dutch, Turkish, Vietnamese, Indonesian, Arabic
    | \bnarusza\w*[ ](?:\w+[ ]){0,2}?(?:zasad|polityk|regulamin)
    | \bschendt[ ](?:\w+[ ]){0,2}?\w*(?:beleid|richtlijn)
    | \bpolitika\w*[ ](?:\w+[ ]){0,2}?(?:ihlal|aykırı)
    | \bvi[ ]phạm[ ](?:\w+[ ]){0,3}?(?:chính[ ]sách|quy[ ]định)
    | \bmelanggar[ ](?:\w+[ ]){0,2}?(?:kebijakan|pedoman)
    | (?:ينتهك|انتهاك|تنتهك).{0,20}سياس
    """
)

VERDICT = re.compile(
    r"\b(?:IMAGE_SAFETY|IMAGE_RECITATION|(?:IMAGE_)?PROHIBITED_CONTENT)\b"
    r"|\bsensitive_words_detected\b"
)

# The whole account or its region; PUP_LIMITED_DISABLED: google-genai 3.6.1.
ACCOUNT = _phrases(
    r"""
    \bPUP_LIMITED_DISABLED\b
    | \b(?:your|this|the)[ ](?:api[ ])?
      (?:account|user|organi[sz]ation|workspace|project|consumer|subscription)\b
      (?:\W+[\w'-]+){0,3}?\W+(?:is|was|has[ ]been|have[ ]been)[ ](?:currently[ ])?
      (?:disabled|suspended|deactivated|banned|terminated|closed|restricted|frozen
       |locked|denied[ ]access|not[ ](?:active|verified|allowed[ ]to[ ]use))
    | \b(?:account|organi[sz]ation|user|project)[ ]
      (?:disabled|suspended|deactivated|banned|terminated|deleted|frozen)\b
    | \bconsumer\b\W+(?:[\w:'-]+\W+){0,3}?has[ ]been[ ]suspended\b
    | \b(?:account|organi[sz]ation)[ ]must[ ]be[ ]verified\b
    | \bunsupported[ ]country\b | \bnot[ ](?:available|supported)[ ]in[ ]your[ ]
      (?:country|region|location) | \buser[ ]location[ ]is[ ]not[ ]supported\b
    | \bhas[ ]not[ ]been[ ]used[ ]in[ ]project\b | \bSERVICE_DISABLED\b
    | (?:账号|账户|帐号|帐户|用户|令牌).{0,8}(?:封禁|禁用|停用|冻结|封停|注销)
    | (?:アカウント).{0,6}(?:停止|無効) | (?:계정).{0,6}(?:정지|비활성)
    | (?:konto)\b.{0,20}\b(?:gesperrt|deaktiviert)
    | (?:compte|cuenta|conta)\b.{0,20}\b(?:suspend|désactiv|desactiv|bloque)
    | (?:аккаунт|уч[её]тная[ ]запись).{0,20}(?:заблокирован|отключ|приостановлен)
    """
)

# AI/ML API documents "run out of credits"; prepayment: dyad-sh/dyad#3626; fal.ai:
# "Exhausted balance" (docs, read 2026-11-30); new-api: insufficient_user_quota;
# LiteLLM: budget_exceeded; OpenAI: "Billing hard limit has been reached".
CREDIT = _phrases(
    r"""
    \b(?:run[ ]out[ ]of|out[ ]of|insufficient|not[ ]enough)
      (?:[ _]\w+){0,2}?
      [ _](?:credits?(?![ ]card)|balance|funds|quota|tokens[ ]balance)(?![^\W_])
    | \b(?:exhausted|depleted)[ ](?:(?:your|the|all)[ ])?
      (?:\w+[ ])?(?:credits?(?![ ]card)|balance|funds)\b
    | \bno[ ](?:more[ ]|remaining[ ])?credits\b
      (?![ ](?:were|was|have|has|had|are|is|will|would|charged|deducted|used|consumed))
    | \b(?:credits?|balance|funds)[ _](?:(?:is|are|was|were|has[ ]been|have[ ]been)[ ])?
      (?:not[ ]sufficient|insufficient|exhausted|depleted|used[ ]up|too[ ]low
       |not[ ]enough|running[ ]out|negative|empty|below[ ]zero)
    | \b(?:prepayment|prepaid)\W+(?:\w+\W+){0,3}?(?:used[ ]up|depleted|exhausted|empty)
    | \bbudget[ ](?:has[ ]been[ ])?exceeded\b | \bexceeded[ ]budget\b
    | \bbilling[ ](?:hard[ ])?limit[ ](?:has[ ]been[ ]|was[ ])?reached\b
    | \bmonthly[ ]spend(?:ing)?[ ](?:cap|limit)\b
    | \b(?:payment[ ]required|account[ ](?:is[ ])?(?:in[ ]arrears|overdue)|arrearage
       |overdue[ ]payment)\b
    | \bplease[ ](?:top[ ]up|recharge)\b | \btop[ ]up[ ]your[ ](?:account|balance)\b
    # Chinese, Japanese, Korean
    | (?:余额|餘額|额度|額度|积分|點數|点数|资金|配额)(?:已)?.{0,4}?
      (?:不足|耗尽|用尽|用完|不够|耗盡|为0|为零)
    | 欠费 | 欠費 | 请(?:先)?充值 | 预扣.{0,12}失败
    | (?:残高|クレジット|ポイント)(?:が|は)?.{0,4}
      (?:不足|足りません|ありません|なくなりました)
    | (?:잔액|크레딧|포인트)(?:이|가|은|는)?[ ]?(?:부족|모자|소진)
    # German, French, Spanish, Portuguese, Italian, Russian
    | \b(?:guthaben|kontostand|kredit)\b.{0,20}\b(?:aufgebraucht|ersch(?:ö|oe)pft
      |reicht[ ]nicht)
    | \b(?:nicht[ ]gen(?:ü|ue)gend|zu[ ]wenig|nicht[ ]ausreichend\w*|kein)[ ]
      (?:\w+[ ])?(?:guthaben|kredit|deckung)
    | \b(?:solde|crédits?|credits?)[ ](?:\w+[ ])?(?:insuffisants?|épuisés?)
    | \b(?:saldo|créditos?|creditos?|crediti|credito|fondos|fundos|fondi)[ ]
      (?:\w+[ ])?(?:insuficientes?|insufficienti?|agotados?|esgotados?|esauriti?)
    | \bsin[ ](?:saldo|cr[eé]ditos?)\b
    | \bнедостаточно[ ](?:\w+[ ])?(?:средств|кредитов|баланса|денег)
    | \b(?:баланс|кредит\w*|средства)[ ](?:\w+[ ])?(?:исчерпан|закончил|недостаточ)
    | \b(?:no[ ](?:\w+[ ])?suficientes?|sem|n[ãa]o[ ]h[áa])[ ]
      (?:saldo|cr[eé]ditos?|fondos|fundos)\b
    # Polish, Dutch, Turkish, Vietnamese, Indonesian, Arabic, Ukrainian
    | \b(?:niewystarczając\w+|brak)[ ](?:środk|sald|kredyt)
    | \bonvoldoende[ ](?:saldo|tegoed|krediet)
    | \b(?:bakiye|kredi)\w*[ ](?:\w+[ ])?yetersiz | \byetersiz[ ](?:bakiye|kredi)
    | \bkhông[ ]đủ[ ](?:số[ ]dư|tín[ ]dụng) | \bsố[ ]dư.{0,12}không[ ]đủ
    | \bsaldo.{0,12}tidak[ ](?:men)?cukup | رصيد.{0,8}(?:غير[ ]كاف|لا[ ]يكفي)
    | \bнедостатньо[ ](?:\w+[ ])?(?:коштів|кредитів)
    """
)

# OpenAI says it of an empty account, Google of a minute that is full.
QUOTA_SPENT = _phrases(
    r"\b(?:exceeded[ ](?:your|the)[ ]current[ ]quota|current[ ]quota[ ]is[ ]exceeded)\b"
    r"|\bspend(?:ing)?[ ](?:cap|limit)[ ](?:has[ ]been[ ]|was[ ])?"
    r"(?:reached|exceeded)\b"
)
QUOTA_OF_ZERO = _phrases(
    r"\b(?:quota|metric|free[ _]tier)\b(?s:.)*?\blimit\W{1,3}0\b(?![.,]?\d)"
    r"|\bquota[ _]?Value\W{1,3}0\b(?![.,]?\d)"
)
PACE = _phrases(
    r"""
    \bper[ _]?(?:second|minute|hour|day|model)\b | \bPer(?:Minute|Day)
    | \bretry[ ]in\b | \bretry[ ]?Delay\b | \btry[ ]again[ ]in\b
    | \bRESOURCE_EXHAUSTED\b | \blimit\W{1,3}[1-9]
    | \brate[ _-]?limit(?![ ]?error)
    """
)

TOO_LARGE = _phrases(
    r"\brequest(?:[ ]is)?[ ]too[ ]large\b|\brequested[ ](?:\w+[ ])?more[ ]than\b"
    r"|\bexceeds[ ]the[ ]limit[ ](?:of|per)\b"
    r"|\b(?:more|larger|greater|bigger)[ ]than[ ](?:the|your)[ ](?:\w+[ ]){0,3}limit\b"
)
LIMIT_AND_REQUESTED = _phrases(
    r"\blimit\W{1,3}(?P<limit>[\d,_]{1,15})\b.{0,40}?"
    r"\brequested\W{1,3}(?P<requested>[\d,_]{1,15})\b"
)

UNKNOWN_MODEL = _phrases(
    r"""
    \b(?:invalid|unknown|unsupported|unrecognized|no[ ]such)[ ]model\b
      (?![ ](?:param|option|input|output|setting|arg))
    | \bmodels?\b\W+(?:[\w./:-]+\W+){0,2}?(?:(?:is|was|has[ ]been)[ ])?
      (?:not[ ]found|not[ ]exist|does[ ]not[ ]exist|doesn't[ ]exist|unknown)
      (?![ ](?:for|with|at|option|param))
    | \bpath:[ ]model\b
    | 模型.{0,40}?(?:不存在|已下线|已下架|未找到|找不到) | (?:未知|无效|不支持)的?模型
    """
)
MODEL_NOT_SERVED = _phrases(
    r"""
    \bmodel\b\W+(?:[\w./:-]+\W+)?(?:(?:is|was|has[ ]been)[ ])?
      (?:invalid|not[ ]available|no[ ]longer|not[ ]supported|deprecated|retired
       |shut[ ]down)
      (?![ ](?:for|with|at|option|param|right|now|temporarily|due))
    """
)

UNKNOWN_TASK = _phrases(
    r"""
    \b(?:unknown|no[ ]such|invalid)[ ]task\b(?![ ](?:param|option|type))
    | \btasks?\b\W+(?:[\w-]+\W+){0,4}?(?:not[ ]found|not[ ]exist|does[ ]not[ ]exist
      |unknown)
    | 任务.{0,40}?(?:不存在|未找到|找不到)
    """
)

TIMEOUT = _phrases(
    r"""
    \btime[ -]?out\b | \btimed[ ]out\b | \bdeadline[ ](?:exceeded|expired|passed)
    | \b(?:did|has|does)[ ]?n[o']t[ ](?:answer|respond|reply)
    | \btook[ ]too[ ]long\b | \bno[ ](?:answer|response|reply)[ ]from\b
    | 超时 | 超時 | 逾时 | タイムアウト | 시간[ ]?초과
    | \bzeit(?:ü|ue)berschreitung | \bd[ée]lai[ ]d[ée]pass[ée] | \btempo[ ]limite
    | \btiempo[ ]de[ ]espera | \bврем\w+[ ]ожидания | \bтайм-?аут
    """
)
# What a gateway says of the connection behind it: the upstream may go on and charge.
# LiteLLM's names: tried with 1.108.7 on 2026-11-30.
BROKEN_BEHIND_GATEWAY = _phrases(
    r"""
    \blitellm\b | \bAPI[ ]?(?:Connection|Timeout)[ ]?Error\b
    | \bconnection\b.{0,30}?\b(?:error|reset|aborted|closed|broken?|lost|dropped
      |interrupted)
    | (?:^|:[ ])EOF\b | \bdo[ ]request[ ]failed\b  # Go; new-api
    | \bstream\b.{0,20}?\b(?:closed|interrupted|aborted|reset|ended[ ]early)
    | \bsocket[ ]hang[ ]up\b | \b(?:ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT)\b
    | \bESOCKETTIMEDOUT\b | \bUND_ERR | \bbroken[ ]pipe\b | \bunexpected[ ]EOF\b
    | \b(?:server|peer|upstream|remote)\b.{0,20}?\b(?:disconnected|hung[ ]up|closed)
    | \bdisconnect/reset\b | \bprematurely[ ]closed\b | \bincomplete[ ]read\b
    | \b(?:Remote[ ]?Protocol|Read|Network)[ ]?Error\b
    | 连接.{0,4}(?:中断|重置|断开|被关闭) | 接続.{0,4}(?:切断|リセット)
    """
)
IN_PROGRESS = _phrases(
    r"\b(?:already|in[ ]progress|being[ ]processed|duplicate|same[ ]request)\b"
)

RATE = _phrases(
    r"\brate[ _-]?limit|\btoo[ ]many[ ]requests|\bthrottl"
    r"|请求(?:过于|太)?频繁|請求過於頻繁|リクエストが多すぎ"
)
KEY = _phrases(
    r"""
    \bunauthori[sz]ed\b | \bauthentication[ _] | \bunauthenticated\b
    | \b(?:invalid|missing|unknown|expired|revoked|incorrect|wrong|bad|no)
      [ _](?:api|access)[ _-]?(?:key|token)\b
    | \b(?:invalid|expired|revoked|incorrect)[ ](?:auth\w*[ ])?(?:credentials?|token)\b
    | \b(?:api[ _-]?key|access[ ]token)[ _](?:(?:is|was|has[ ]been)[ _])?
      (?:not|invalid|missing|expired|revoked|disabled|blocked|incorrect|leaked|reported)
    | \bcould[ ]not[ ]validate[ ]credentials\b | \bnot[ ]authenticated\b
    | \bno[ ]connected[ ]db\b  # LiteLLM without a database, for a wrong key
    | (?:无效|過期|过期|错误)的?(?:令牌|密钥|API[ ]?key)
    | (?:令牌|密钥|密鑰|API[ ]?key).{0,6}(?:无效|無效|过期|過期|错误|不正确|不可用)
    | \bung(?:ü|ue)ltige\w*[ ](?:API[ -]?)?schl(?:ü|ue)ssel
    | \bcl[ée][ ](?:d['’]?[ ]?)?API[ ](?:\w+[ ])?(?:invalide|non[ ]valide|incorrecte)
    | \b(?:clave|chave)[ ](?:d[ea][ ](?:la[ ])?)?API[ ]
      (?:no[ ]|n[ãa]o[ ])?(?:es[ ]|é[ ])?(?:inv[áa]lid|v[áa]lid|incorret|incorrect)
    | \b(?:неверн|недействительн)\w+[ ](?:API[ -]?)?ключ
    | (?:API)[ ]?キー.{0,4}無効 | (?:API)[ ]?키.{0,6}(?:유효하지|잘못)
    """
)
FIELD = _phrases(
    r"""
    \b(?:is|are)[ ]required\b | \bmust[ ]be\b | \bnot[ ]supported\b
    | \b(?:invalid|unsupported|unknown|missing)[ ](?:request[ ])?
      (?:param|field|value|argument|prompt|image_size|num\b|ref_images)
    """
)
# `invalid_image_url`: docs.foxapi.cc, read 2026-11-20. The others are [assumed].
REFERENCE = _phrases(
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
    """
)
