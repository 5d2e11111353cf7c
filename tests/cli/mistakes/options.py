"""Options with values that cannot be."""

from __future__ import annotations

from tests.cli.mistakes.mistake import Mistake

A_NUMBER = ("a number", "5.00")
OPTIONS = (
    Mistake(
        name="max-cost-word",
        command="run m.csv {shop} --max-cost abc",
        names=("--max-cost", "'abc'"),
        remedy=A_NUMBER,
    ),
    Mistake(
        name="max-cost-decimal-comma",
        command="run m.csv {shop} --max-cost 5,00",
        names=("--max-cost", "'5,00'"),
        remedy=("write 5.00",),
    ),
    Mistake(
        name="max-cost-dollar-sign",
        command="run m.csv {shop} --max-cost '$5'",
        names=("--max-cost", "'$5'"),
        remedy=("write 5",),
    ),
    Mistake(
        name="max-cost-currency",
        command="run m.csv {shop} --max-cost '5 USD'",
        names=("--max-cost", "'5 USD'"),
        remedy=("write 5",),
    ),
    Mistake(
        name="max-cost-other-currency",
        command="run m.csv {shop} --max-cost 5€",
        names=("--max-cost", "'5€'"),
        remedy=("US dollars", "5.00"),
    ),
    Mistake(
        name="max-cost-thousands",
        command="run m.csv {shop} --max-cost 1,000.50",
        names=("--max-cost", "'1,000.50'"),
        remedy=("write 1000.50",),
    ),
    Mistake(
        name="max-cost-negative",
        command="run m.csv {shop} --max-cost -1",
        names=("--max-cost", "-1"),
        remedy=("from 0",),
    ),
    Mistake(
        name="max-cost-zero",
        command="run m.csv --provider openai --max-cost 0",
        names=("--max-cost", "0", "no purchase"),
        remedy=("such as 5", "batchgen check", "--rehearse"),
        keys={"OPENAI_API_KEY": None},
    ),
    Mistake(
        name="price-word",
        command="run m.csv {shop} --price abc --max-cost 5",
        names=("--price", "'abc'"),
        remedy=A_NUMBER,
    ),
    Mistake(
        name="max-cost-per-day-word",
        command="run m.csv {shop} --max-cost-per-day lots",
        names=("--max-cost-per-day", "'lots'"),
        remedy=A_NUMBER,
    ),
    Mistake(
        name="n-zero",
        command="run m.csv {shop} --n 0",
        names=("--n", "0"),
        remedy=("from 1 to 1,000",),
    ),
    Mistake(
        name="n-word",
        command="run m.csv {shop} --n two",
        names=("--n", "'two'"),
        remedy=("whole number",),
    ),
    Mistake(
        name="n-without-value",
        command="run m.csv {shop} --n",
        names=("--n",),
        remedy=("needs a value", "batchgen run -h"),
    ),
    Mistake(
        name="limit-negative",
        command="run m.csv {shop} --limit -1",
        names=("--limit", "-1"),
        remedy=("from 1",),
    ),
    Mistake(
        name="rpm-word",
        command="run m.csv {shop} --rpm fast",
        names=("--rpm", "'fast'"),
        remedy=("a number", "auto"),
    ),
    Mistake(
        name="rpm-zero",
        command="run m.csv {shop} --rpm 0",
        names=("--rpm", "0"),
        remedy=("0.001", "auto"),
    ),
    Mistake(
        name="concurrency-zero",
        command="run m.csv {shop} --concurrency 0",
        names=("--concurrency", "0"),
        remedy=("from 1", "auto"),
    ),
    Mistake(
        name="concurrency-half",
        command="run m.csv {shop} --concurrency 1.5",
        names=("--concurrency", "'1.5'"),
        remedy=("whole number", "auto"),
    ),
    Mistake(
        name="max-cost-per-day-zero",
        command="run m.csv --provider openai --max-cost-per-day 0",
        names=("--max-cost-per-day", "no purchase"),
        remedy=("such as 5", "batchgen check", "--rehearse"),
    ),
    Mistake(
        name="grace-in-words",
        command="run m.csv {shop} --grace 1min",
        names=("--grace", "'1min'"),
        remedy=("a number", "seconds"),
    ),
    Mistake(
        name="ratio-nobody-has",
        command="run m.csv --provider gemini --aspect-ratio 5:7 --max-cost 5",
        names=("--aspect-ratio", "gemini", "5:7"),
        remedy=("it has", "16:9"),
    ),
    Mistake(
        name="ratio-nobody-has-and-no-row-uses",
        command="check m.csv --provider aimlapi,openai --aspect-ratio 5:7",
        names=("--aspect-ratio", "5:7"),
        remedy=("it has", "16:9"),
        files={"m.csv": "prompt,aspect_ratio\na lamp,16:9\n"},
    ),
    Mistake(
        name="ratio-with-x",
        command="run m.csv {shop} --aspect-ratio 16x9",
        names=("--aspect-ratio", "'16x9'"),
        remedy=("write 16:9",),
    ),
    Mistake(
        name="ratio-in-words",
        command="run m.csv {shop} --aspect-ratio wide",
        names=("--aspect-ratio", "'wide'"),
        remedy=("16:9", "auto"),
    ),
    Mistake(
        name="resolution-unknown",
        command="run m.csv {shop} --resolution 8K",
        names=("--resolution", "'8K'"),
        remedy=("1K, 2K, 4K",),
    ),
    Mistake(
        name="resolution-in-pixels",
        command="run m.csv {shop} --resolution 1024x1024",
        names=("--resolution", "'1024x1024'"),
        remedy=("1K", "aspect ratio"),
    ),
    Mistake(
        name="resolution-nobody-has",
        command="run m.csv --provider aimlapi --resolution 512 --max-cost 5",
        names=("--resolution", "aimlapi", "512"),
        remedy=("it has", "1K, 2K, 4K"),
    ),
    Mistake(
        name="max-attempts-zero",
        command="run m.csv {shop} --max-attempts 0",
        names=("--max-attempts", "0"),
        remedy=("from 1",),
    ),
    Mistake(
        name="seed-word",
        command="run m.csv {shop} --rehearse --seed x",
        names=("--seed", "'x'"),
        remedy=("whole number",),
    ),
    Mistake(
        name="seed-without-rehearsal",
        command="run m.csv {shop} --seed 7",
        names=("--seed", "rehearsal"),
        remedy=("add --rehearse",),
    ),
    Mistake(
        name="latency-word",
        command="run m.csv {shop} --rehearse --latency slow",
        names=("--latency", "'slow'"),
        remedy=("'real'", "seconds"),
    ),
    Mistake(
        name="faults-unknown",
        command="run m.csv {shop} --rehearse --faults x",
        names=("--faults", "'x'"),
        remedy=("calm", "storm", "outage"),
    ),
    Mistake(
        name="on-unknown-unknown",
        command="run m.csv {shop} --on-unknown x",
        names=("--on-unknown", "'x'"),
        remedy=("retry", "hold"),
    ),
    Mistake(
        name="route-unknown",
        command="run m.csv {shop} --route x",
        names=("--route", "'x'"),
        remedy=("cheapest", "fastest"),
    ),
    Mistake(
        name="prompt-empty",
        command="run m.csv {shop} --prompt ''",
        names=("--prompt", "empty"),
        remedy=("{{ title }}", "`prompt`"),
    ),
)

PROVIDERS = (
    Mistake(
        name="provider-missing",
        command="run m.csv --max-cost 5",
        names=("--provider", "missing"),
        remedy=("gemini", "openai"),
    ),
    Mistake(
        name="provider-google",
        command="run m.csv --provider google",
        names=("--provider", "google"),
        remedy=("did you mean `gemini`?",),
    ),
    Mistake(
        name="provider-capital",
        command="run m.csv --provider Gemini",
        names=("--provider", "Gemini"),
        remedy=("did you mean `gemini`?",),
    ),
    Mistake(
        name="provider-is-a-model",
        command="run m.csv --provider nano-banana",
        names=("--provider", "nano-banana"),
        remedy=("gemini", "--model"),
    ),
    Mistake(
        name="provider-nobody-knows",
        command="run m.csv --provider midjourney",
        names=("--provider", "midjourney"),
        remedy=("aimlapi", "gemini", "openai"),
    ),
    Mistake(
        name="provider-comma-at-the-end",
        command="run m.csv --provider openai,",
        names=("--provider", "comma"),
        remedy=("openai,", "--provider openai"),
    ),
    Mistake(
        name="model-unknown",
        command="run m.csv --provider gemini --model does-not-exist --max-cost 5",
        names=("--model", "does-not-exist", "gemini"),
        remedy=("gemini-3-pro-image", "--price"),
    ),
    Mistake(
        name="model-mistyped",
        command="check m.csv --provider openai --model gpt-image2",
        names=("--model", "gpt-image2"),
        remedy=("did you mean `gpt-image-2`?",),
    ),
    Mistake(
        name="base-url-without-scheme",
        command="run m.csv --provider openai --base-url api.example.com/v1",
        names=("--base-url", "'api.example.com/v1'"),
        remedy=("https://api.example.com/v1",),
    ),
    Mistake(
        name="base-url-plain-http",
        command="run m.csv --provider openai --base-url http://api.example.com",
        names=("http://api.example.com", "plain http"),
        remedy=("https",),
    ),
    Mistake(
        name="base-url-plain-http-to-an-address",
        command="run m.csv --provider openai --base-url http://8.8.8.8",
        names=("http://8.8.8.8", "in clear"),
        remedy=("https",),
    ),
    Mistake(
        name="base-url-lacks-its-path",
        command="run m.csv --provider gemini --max-cost 5 "
        "--base-url https://generativelanguage.googleapis.com",
        names=("--base-url", "https://generativelanguage.googleapis.com"),
        remedy=("https://generativelanguage.googleapis.com/v1beta",),
    ),
    Mistake(
        name="base-url-with-a-key",
        command="run m.csv --provider openai --base-url "
        "'https://api.example.com/v1?key=sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H'",
        names=("--base-url", "`?`"),
        remedy=("without what follows", "its variable"),
    ),
    Mistake(
        name="base-url-with-a-password",
        command="run m.csv --provider openai --base-url "
        "'https://me:sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H@api.example.com'",
        names=("--base-url", "password"),
        remedy=("take", "out", "its variable"),
    ),
    Mistake(
        name="base-url-with-an-odd-port",
        command="run m.csv --provider openai --base-url https://api.example.com:99999",
        names=("--base-url", "https://api.example.com:99999"),
        remedy=("from 1 to 65535",),
    ),
    Mistake(
        name="base-url-with-a-password-and-an-odd-port",
        command="run m.csv --provider openai --base-url "
        "https://me:sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H@api.example.com:99999",
        names=("--base-url", "password"),
        remedy=("take", "out", "its variable"),
    ),
    Mistake(
        name="base-url-of-nobody",
        command="run m.csv --provider openai --base-url opnai=https://api.example.com",
        names=("--base-url", "opnai"),
        remedy=("did you mean `openai`?",),
    ),
    Mistake(
        name="base-url-of-whom",
        command="run m.csv --provider openai,gemini --base-url https://api.example.com",
        names=("--base-url", "openai, gemini"),
        remedy=("--base-url openai=https://api.example.com",),
    ),
    Mistake(
        name="base-url-missing",
        command="run m.csv --provider gccai --max-cost 5",
        names=("gccai", "address"),
        remedy=("--base-url gccai=https://",),
    ),
    Mistake(
        name="provider-of-providers",
        command="providers google",
        names=("google",),
        remedy=("did you mean `gemini`?",),
    ),
)
