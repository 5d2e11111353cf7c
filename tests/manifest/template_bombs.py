"""Templates that would fill memory or never end, each for a reason of its own."""

from __future__ import annotations

BOMBS: dict[str, str] = {
    "text-doubled-by-tilde": "{% set x = name %}" + "{% set x = x ~ x %}" * 60,
    "text-doubled-by-plus": "{% set x = name %}" + "{% set x = x + x %}" * 60,
    "text-doubled-by-join": "{% set x = name %}" + "{% set x = [x, x] | join %}" * 60,
    "text-doubled-by-format": "{% set x = name %}"
    + "{% set x = '%s%s' | format(x, x) %}" * 60,
    "text-doubled-by-brace-format": "{% set x = name %}"
    + "{% set x = '{0}{0}'.format(x) %}" * 60,
    "text-doubled-by-block": "{% set x = name %}"
    + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60,
    "text-doubled-by-tojson": "{% set x = '\\\\' ~ name %}"
    + "{% set x = x | tojson %}" * 60,
    "text-doubled-in-a-loop": "{% set ns = namespace(x=name) %}"
    "{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x[:9] }}",
    "text-repeated": "{{ ('a' * 10**9)[:1] }}",
    "text-repeated-by-steps": "{% set x = 'a' * 90000 %}{{ ([x] * 90000) | join }}",
    "list-doubled": "{% set x = [name] %}" + "{% set x = x + x %}" * 60 + "{{ x[0] }}",
    "list-nested": "{% set x = [1] %}"
    + "{% set x = [x, x] %}" * 60
    + "{{ x | string }}",
    "list-nested-and-put-out": "{% set x = [1] %}"
    + "{% set x = [x, x] %}" * 60
    + "{{ x }}",
    "list-nested-and-compared": "{% set x = [1] %}{% set y = [1] %}"
    + "{% set x = [x, x] %}{% set y = [y, y] %}" * 60
    + "{{ 1 if x == y else 2 }}",
    "dict-nested": "{% set x = {} %}"
    + "{% set x = dict(a=x, b=x) %}" * 60
    + "{{ x | tojson }}",
    "dict-nested-as-written": "{% set x = {} %}"
    + "{% set x = {'a': x, 'b': x} %}" * 60
    + "{{ x | pprint }}",
    "tuple-nested": "{% set x = () %}" + "{% set x = (x, x) %}" * 60 + "{{ x ~ '' }}",
    "namespace-nested": "{% set a = namespace(x=1) %}"
    + "{% set b = a %}{% set a = namespace(x=b, y=b) %}" * 60
    + "{{ (a | string)[:99] * 2000 }}",
    "list-repeated": "{{ ([name] * 10**9) | length }}",
    "indent": "{{ name | indent(10**9, true) }}",
    "indent-by-text": "{% set x = 'a' * 90000 %}{{ (('\n' * 90000) | indent(x))[:1] }}",
    "center": "{{ (name | center(10**9))[:1] }}",
    "center-method": "{{ name.center(10**9)[:1] }}",
    "ljust": "{{ name.ljust(10**9)[:1] }}",
    "rjust-by-name": "{{ name['rjust'](10**9)[:1] }}",
    "zfill": "{{ name.zfill(10**9)[:1] }}",
    "expandtabs": "{{ ('\t' * 90000).expandtabs(90000)[:1] }}",
    "replace": "{{ ('a' * 90000) | replace('', 'b' * 90000) | length }}",
    "replace-method": "{{ ('a' * 90000).replace('a', 'b' * 90000)[:1] }}",
    "join-method": "{{ ('b' * 90000).join(['a'] * 90000)[:1] }}",
    "join-filter": "{{ (['a'] * 90000) | join('b' * 90000) | length }}",
    "join-letters": "{{ ('a' * 90000) | join('b' * 90000) | length }}",
    "join-range": "{{ range(90000) | join('b' * 90000) | length }}",
    "join-mapped": "{{ range(90000) | map('string') | join('b' * 90000) | length }}",
    "translate": "{{ ('a' * 90000).translate({97: 'b' * 90000})[:1] }}",
    "to-bytes": "{{ (1).to_bytes(10**9, 'big')[0] }}",
    "percent-operator": "{{ ('%0999999999d' % 1)[:1] }}",
    "percent-format": "{{ ('%0999999999d' | format(1))[:1] }}",
    "percent-format-precision": "{{ ('%.999999999f' | format(1))[:1] }}",
    "percent-format-star": "{{ ('%*d' | format(999999999, 1))[:1] }}",
    "percent-format-named": "{{ ('%(x)s' * 20000) | format(x='a' * 90000) | length }}",
    "brace-format": "{{ '{:>999999999}'.format(1)[:1] }}",
    "brace-format-within": "{{ '{:>{w}}'.format(1, w=999999999)[:1] }}",
    "brace-format-of-text": "{{ '{:>{}}'.format(1, '999999999')[:1] }}",
    "brace-format-map": "{{ '{x:>999999999}'.format_map({'x': 1})[:1] }}",
    "brace-format-repeated": "{{ ('{0}' * 20000).format('a' * 90000)[:1] }}",
    "markup-format": "{{ ('{:>999999999}' | safe).format(1)[:1] }}",
    "power": "{{ (9 ** 9 ** 9 ** 9) % 7 }}",
    "power-by-steps": "{% set x = 9 ** 64 %}"
    + "{% set x = x * x %}" * 60
    + "{{ 1 if x else 2 }}",
    "long-number": "{% set x = 9 ** 64 %}" + "{% set x = x * x %}" * 7 + "{{ x }}",
    "long-number-of-text": "{{ ('f' * 90000) | int(base=16) }}",
    "round-to-digits": "{{ 1.5 | round(10**9, 'floor') }}",
    "round-number": "{{ 15 | round(-(10**9)) }}",
    "loops-over-text": "{% set d = 'a' * 90000 %}{% for a in d %}{% for b in d %}"
    "{% for c in d %}{% endfor %}{% endfor %}{% endfor %}",
    "loops-over-range": "{% for a in range(99999) %}{% for b in range(99999) %}"
    "{% endfor %}{% endfor %}",
    "loop-with-a-condition": "{% for a in range(99999) %}"
    "{% for b in range(99999) if b > 99999 %}{% endfor %}{% endfor %}",
    "loop-that-searches": "{% set d = 'a' * 90000 %}{% for a in range(99999) %}"
    "{% if (d ~ 'b') in d %}x{% endif %}{% endfor %}",
    "loop-that-compares": "{% set d = 'a' * 90000 ~ name %}"
    "{% set e = 'a' * 90000 ~ name %}{% for a in range(99999) %}"
    "{% for b in range(99999) %}{% if d == e %}{% endif %}{% endfor %}{% endfor %}",
    "loop-recursive": "{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "macro-recursive": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "macro-doubling": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}"
    "{% endif %}{% endmacro %}{{ f(45) }}",
    "macro-doubling-text": "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}"
    "{% else %}aaaaaaaaaa{% endif %}{% endmacro %}{{ f(45) | length }}",
    "macro-called": "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}"
    "{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
    "block-recursive": "{% block a %}{{ self.a() }}{% endblock %}",
    "sum-of-lists": "{{ ([[1]] * 90000) | sum(start=[]) | length }}",
    "sort": "{% set d = 'a' * 90000 %}{{ ([d] * 90000) | sort | length }}",
    "groupby": "{{ ([{'a': 'b' * 90000}] * 90000) | groupby('a') | length }}",
    "unique": "{% set d = 'A' * 90000 %}{{ ([d] * 90000) | unique | list | length }}",
    "long-attribute": "{% set x = ('0.' * 40000) ~ '0' %}"
    "{{ (['a'] * 90000) | map(attribute=x) | list | length }}",
    "batch": "{{ [1] | batch(10**9, 'x') | list | length }}",
    "slice": "{{ [1] | slice(10**9) | list | length }}",
    "wordwrap": "{{ (('a ' * 45000) | wordwrap(1, wrapstring='b' * 90000))[:1] }}",
    "urlize": "{{ (('a.com ' * 15000) | urlize(rel='b' * 90000))[:1] }}",
    "xmlattr": "{% set x = '&' * 90000 %}"
    + "{% set x = {'a': x ~ x} | xmlattr %}" * 30,
    "pprint": "{% set x = [['a' * 90000] * 90] %}{{ (x | pprint)[:1] }}",
    "tojson-indent": "{{ ([1] * 90000) | tojson(indent=90000) | length }}",
    "striptags": "{% set x = '<>' * 45000 %}{% set x = x ~ x ~ x ~ x %}"
    "{{ (x ~ x) | striptags | length }}",
    "striptags-method": "{% set x = ('<>' * 45000) | safe %}{% set x = x ~ x ~ x %}"
    "{{ ((x ~ x) | safe).striptags() }}",
    "trim": "{% set x = 'ab' * 45000 %}{{ x | trim('c' * 90000 ~ 'ab') | length }}",
    "idna": "{{ (('\u00e9' * 90000).encode('idna'))[:1] }}",
    "strftime": "{{ day.strftime('%c' * 40000)[:1] }}",
    "contains-in-select": "{% set d = 'a' * 90000 %}"
    "{{ range(90000) | map('string') | select('in', d) | list | length }}",
    "cycler": "{% set c = cycler('a' * 90000) %}{% for i in range(99999) %}"
    "{% set x = c.next() ~ c.next() %}{% endfor %}",
}
