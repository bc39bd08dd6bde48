"""What kind of thing a sentence says: small talk, a need, a taste, a plan, a milestone.

Patterns, not understanding: English is covered well, a few other languages by their commonest phrases.
They run on one sentence (at most 500 characters) at a time.
"""

import re
from enum import Flag, auto

from rekindle.memory.wordlists import COMMON_WORDS
from rekindle.memory.words import without_stop_words, words


class Cue(Flag):
    """What a sentence of the user's says about them."""

    NONE = 0
    NAME = auto()
    NEED = auto()
    PREFERENCE = auto()
    PLAN = auto()
    MILESTONE = auto()
    FACT = auto()


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_I = (
    r"\b(?:I|we)(?:['’](?:m|ve|d|re))?(?: (?:am|have|had|was|were|do|did|would|really|just|also|still|only|even|"
    r"finally|recently|both|always|usually|actually|already|currently|definitely|totally|absolutely|truly|mostly|now|"
    r"badly|kinda|sort of)){0,4}"
)

_CUES = {
    Cue.NAME: re.compile(
        r"\b(?:[Mm]y name(?:['’]s| is)|[Cc]all me [A-Z]|[Ii]ch hei(?:ß|ss)e|[Jj]e m['’]appelle|[Mm]e llamo|"
        r"[Mm]i chiamo|[Mm]eu nome é)|^(?:[Hh]i|[Hh]ello|[Hh]ey)?[,!. ]*(?:I['’]m|I am|"
        r"[Tt]his is) [A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?(?=[.,!]|$| here\b| from\b| and\b)|我叫|我的名字|私の名前|اسمي"
    ),
    Cue.NEED: _any(
        rf"{_I} (?:need|want(?:ed to)?|like to (?:know|book|order|ask)|looking for|hoping to|trying to|require|"
        rf"must|have to)\b",
        r"\b(?:I|we)(?:['’]d| would) (?:like|love) (?:to|a|an|some)\b(?! (?:hear|see|know more about you))",
        r"\b(?:ich brauche|ich suche|ich möchte|wir brauchen|j['’]ai besoin|je voudrais|je cherche|necesito|quiero|"
        r"quisiera|busco|preciso de|ho bisogno|vorrei)\b",
        r"我(?:需要|想要?|要)|欲しい|必要です|أحتاج|أريد",
    ),
    Cue.PREFERENCE: _any(
        rf"{_I} (?:not )?(?:prefer|love|loved|like|enjoy|hate|dislike|adore|avoid)\b"
        r"(?! (?:to (?:hear|see|know|book|order|ask)|your|that you|how you|the (?:idea|sound)))",
        rf"{_I} (?:don['’]?t|do not|can['’]?t|cannot|never|always|only) (?:really |even |do )?(?:like|do (?!a |an |"
        rf"the |my |it|that)|eat|drink|"
        rf"want|"
        r"stand|swim|drive|fly|smoke|use|watch|read|cook|listen|have (?:dairy|gluten|sugar|nuts))\b",
        r"\bI['’]d rather\b|\ballergic\b|\ballergy\b|\bintoleran(?:t|ce)\b",
        r"\b(?:am|['’]?m|are|['’]re|is|['’]s|became|turned|gone|went|been|stay|strictly|im) (?:\w+ )?(?:vegetarian|"
        r"vegan)\b|"
        r"\b(?:vegetarian|vegan) (?:food|options?|recipes?|dish|meals?|diet|here)\b",
        r"\bmy (?:all[- ]time )?favou?rites?\b|\bone of my favou?rites?\b|\b(?:big|huge|massive) fan of\b",
        rf"{_I} (?:keen on|passionate about|interested in|into|fond of|afraid of|scared of)\b",
        r"\b(?:ich mag|ich liebe|ich hasse|am liebsten|ich bevorzuge|j['’]aime|je préfère|je déteste|prefiero|"
        r"me gusta|odio|soy alérgic[oa]|eu gosto|prefiro|preferisco|mi piace)\b",
        r"我(?:喜欢|爱|讨厌|不喜欢|对.{1,6}过敏)|(?:が|は)(?:大)?好き|أحب|أكره|أفضل",
    ),
    Cue.PLAN: _any(
        r"\b(?:next|this coming) (?:week|weekend|month|year|time|summer|spring|autumn|fall|winter|\w+day)\b",
        r"\btomorrow\b|\bthis (?:weekend|summer|autumn|fall|winter|spring|evening|afternoon)\b",
        rf"{_I} (?:going to|gonna|planning|plan to|hope to|want to start|thinking (?:about|of) \w+ing|"
        rf"about to|"
        r"aiming to|getting ready|saving)\b",
        r"\b(?:I|we)(?:['’]?ll| will) (?:let you know|get back|call|come|start|send|think about|talk|ask|bring|book|"
        r"check|decide|contact)\b",
        r"\blet you know\b|\bget back to you\b|\bnächste[nrs]? (?:Woche|Monat)\b|\bmorgen\b|\bmañana\b",
        r"\bla semaine prochaine\b|\bdemain\b|\bla próxima semana\b|明天|下周|来週|明日|غدا",
    ),
    Cue.MILESTONE: _any(
        rf"{_I} (?:passed|finished|completed|graduated|won(?!['’])|launched|published|earned|achieved|"
        rf"landed|retired|"
        r"submitted|enrolled|registered|signed up|adopted|moved (?:to|in|out|house|into)|quit|promoted|hired|accepted|"
        r"engaged|married|divorced|certified|lost my job|turned \d|made it\b(?! (?:up|a|for|out|to))|released|sold "
        r"(?:my|our)|bought (?:a|my|our)|opened (?:a|my|"
        r"our|an)|got (?:the|my|a|an|our) (?:\w+ ){0,2}?(?:job|degree|licen[cs]e|certificate|certification|promotion|"
        r"diploma|offer|deal|place|visa|house|flat|apartment|internship|apprenticeship|grant|raise|position|keys|"
        r"puppy|dog|kitten|cat|scholarship|contract|role|award)|got (?:into|"
        r"accepted|hired|promoted|married|engaged|divorced|certified|fired|laid off)|had (?:a|our|my) (?:baby|son|"
        r"daughter)|made it to the|set a (?:new )?(?:personal )?(?:record|best)|booked|fixed|solved)\b",
        r"\b(?:it|that|everything|all) (?:(?:is|['’]s) )?(?:now )?(?:works|worked|working|fixed|solved|sorted)\b",
        r"^(?:just |finally |recently )*(?:passed|finished|completed|graduated|won(?!['’]t)|launched|got the job|"
        r"lost my job)\b",
        r"\bproud (?:of myself|(?:that )?(?:I|we)\b)|\bbreakthrough\b|\b(?:I|we)\b.*\bfor the first time\b|"
        r"\b(?:I|we)(?:['’]ve)? finally (?!am|are|want|need|have to|feel|know|think|see)\w+|"
        r"\bmy (?:longest|fastest|furthest|farthest|best ever)\b|\bpersonal (?:best|record)\b|"
        rf"{_I} (?:managed to|overcame|ran (?:a|my|\d+)|stood up (?:to|for))\b",
        r"\bmy first (?:ever )?(?!time\b)\w+|\b(?:bestanden|abgeschlossen|geschafft|gewonnen|verlobt|geheiratet|"
        r"(?:um|ein|nach .{1,30} )"
        r"gezogen|(?<!lo )(?<!la )he (?:aceptado|aprobado|conseguido|terminado|ganado)|conseguí|terminé|gané|me mudé|"
        r"j['’]ai réussi|"
        r"j['’]ai fini|aprobé)\b|通过了|"
        r"合格し",
    ),
    Cue.FACT: _any(
        rf"{_I} (?:live|work|study|teach|run|own|play|speak|come from|from|born|moved|grew up|used to|"
        rf"went|got|made|"
        r"met|bought|saw|started|tried|took|joined|visited|lost|found|been|learned|learnt|painted|wrote|read|decided|"
        r"left|built|feel|felt|gave|told|talked|called|paid)\b",
        r"\bmy (?:\w+ )?(?:name|wife|husband|partner|son|daughter|kid|child(?:ren)?|mother|mom|mum|father|dad|sister|"
        r"brother|dog|cat|pet|puppy|kitten|boss|job|work|company|team|school|phone|email|e-mail|address|birthday|"
        r"order|account|car|bike|house|flat|apartment|laptop|computer|budget|deadline|friend)s?\b",
        r"\bI(?:['’]m| am) (?:a|an|the|\d+|in|from|at|on|single|married|retired|trans|pregnant|diabetic|new)\b",
        r"\b(?:I|we) (?:haven['’]t|hadn['’]t|didn['’]t|couldn['’]t) \w+",
    ),
}

_ORDER = re.compile(
    r"\b(?:ignore|disregard|override|bypass|forget)\b.{0,40}\b(?:instructions?|rules?|prompts?|everything|above|"
    r"previous)\b|"
    r"\bsystem (?:prompt|message)\b|\bfrom now on\b|\byou (?:must|should|shall|have to|are now|will always)\b|"
    r"\b(?:the )?(?:assistant|model|ai|bot) (?:must|should|shall|has to|will|is to|needs to)\b|"
    r"(?:^|[:;] ?)(?:please )?(?:always|never) (?:answer|reply|respond|say|end|begin|start|call|use|write|"
    r"tell|include|add|output)\b|\b(?:always|never) obey\b|\b(?:remember|be sure|make sure) to (?:always|never) "
    r"(?:answer|reply|respond|say|output)\b|"
    r"^(?:answer|reply|respond|act|pretend|behave|reveal|print|output|repeat)\b",
    re.IGNORECASE,
)

_OPENERS = (
    r"(?:hey|hi|hello|hallo|moin|servus|guten (?:tag|morgen|abend)|hola|buenas|bonjour|salut|ciao|olá|wow|yeah|yes|"
    r"yep|yup|nah|thanks|thank you|thx|oh|ah|aw+|haha(?:ha)*|hehe|lol|omg|ok|okay|btw|"
    r"by the way|well|anyway|so|and|but|also|plus|actually|honestly|oh no|no worries|sure(?: thing)?|of course|"
    r"totally|absolutely|definitely|exactly|for sure|cool|nice|great|awesome|sounds good|good morning|good evening|"
    r"good afternoon|dear|you know what|guess what|agreed|totally agree|mm+|yum|bummer|super|whoa|woah|way to go)"
)
_OPENING = re.compile(
    rf"^(?:{_OPENERS}(?=[\s,!.?:;-])(?: (?:[A-Z][\w'’-]+|there|all|again))?\s*[,!.:;-]+\s*)+", re.IGNORECASE
)
_NAME_FIRST = re.compile(r"^[A-Z][\w'’-]+[,!] (?=[A-Z]|(?:that|it)['’]s|you|how|glad|so)")
_CALL = re.compile(rf"^(?:{_OPENERS}[\s,!]+)*(?:[A-Z][\w'’-]+)?[\s,!.]*(?:{_OPENERS}[\s,!.]*)*$", re.IGNORECASE)
_NAME_LAST = re.compile(r", [A-Z][\w'’-]+(?=[!.?]+$)")
_COURTESY = _any(
    rf"^{_OPENERS}?[ ,!]*(?:nice|good|great|lovely|glad|happy|pleased|so good|so nice) to (?:hear|see|"
    rf"meet|chat|"
    r"talk|catch)",
    r"^(?:it['’]?s |it was |that['’]?s |this is |what an? |you(?:['’]re| are) |sounds |so |how |looks |"
    r"best of )?(?:so |such an? |really |very |super |a |an )*(?:great|good|nice|cool|awesome|amazing|wonderful|"
    r"lovely|fantastic|incredible|impressive|inspiring|sweet|fun|beautiful|gorgeous|adorable|cute|brilliant|perfect|"
    r"welcome|luck|sounds)\b",
    r"\b(?:how are you|how(?:['’]s| is| are) (?:it going|things|everything|life|you)|how have you been|"
    r"what['’]?s (?:up|new)|long time no|how about you|what about you|and you|take care|stay (?:safe|strong)|"
    r"talk (?:to you )?(?:soon|later)|chat soon|see (?:you|ya)|catch (?:you|up) (?:later|soon)|have a (?:great|good|"
    r"nice|lovely)|good (?:luck|bye|night|job)|goodbye|congrat|well done|proud of you|happy for you|keep (?:it up|"
    r"going|up the)|means? (?:a lot|so much|the world)|appreciate (?:it|you|your|that)|thanks|thank you|thx|"
    r"no problem|no worries|you['’]re (?:welcome|right|the best|doing)|my pleasure|can['’]t wait to (?:see|hear)|"
    r"anything else|how (?:can|may) i (?:help|assist)|happy to help|glad (?:you|that you|to (?:hear|help))|feel free|"
    r"let me know|i['’]m (?:always )?here (?:for|to)|sorry (?:to hear|about that|for)|i (?:totally |completely |"
    r"fully )?(?:agree|understand|see)|fingers crossed)\b",
)
_PLATITUDE = re.compile(
    r"^[A-Z]\w+ing\b.*\b(?:is|are|can|seems?|makes?|brings?|lets?|really|always)\b|\b(?:is|are|['’]s) (?:so|such|"
    r"really|super|always|all about|the best|the key|key|everything|essential|important|crucial|priceless|invaluable|"
    r"worth it|definitely)\b",
    re.IGNORECASE,
)
_ABOUT_THE_OTHER = re.compile(
    r"^(?:you|your|you['’]\w+|keep|stay|appreciate|remember|let['’]?s|(?:love|loving|i love|i like) (?:the|that|this|"
    r"how|your)|i bet|it sounds|i (?:love|like|admire) (?:your|how you|that you)|(?:i )?hope you|(?:so )?glad|"
    r"(?:come )?join|highly recommend|i value)\b",
    re.IGNORECASE,
)
_GUESS = re.compile(r"\bmust(?:['’]ve| have| be)\b(?! to)", re.IGNORECASE)
_POINTING = re.compile(r"^(?:it|that|this|they|these|those|he|she|which|such)\b", re.IGNORECASE)
_SELF = re.compile(r"\b(?:I|my|our|we)\b|\b[Ii]['’]", re.IGNORECASE)
_QUESTION_MARK = re.compile(r"[?？؟][\s'\"”’»)!]*$")
_QUESTION_START = re.compile(
    r"^(?:what|when|where|who|why|how|which|is (?:there|it)|are (?:there|you)|do (?:you|i)|does|can (?:i|you|we)|"
    r"could (?:you|i|we)|would you)\b(?!.*[.!]$)",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:can|could|would|will|do) you (?:please |also |maybe )?(?:help|tell|offer|sell|provide|explain|send|book|"
    r"give|show|check|accept|ship|deliver|teach)\b|^(?!.*\b(?:you|your|you['’]\w+)\b)",
    re.IGNORECASE,
)


_BY_THE_WAY = re.compile(
    r"\b(?:I['’]?m|I am|we['’]re|we are|(?:son|daughter|wife|husband|child) is) (?:\w+ )?(?:allergic|vegan|"
    r"vegetarian|diabetic|"
    r"coeliac|celiac|lactose|intolerant)\b|\bich bin (?:\w+ )?allergisch\b|\bsoy (?:alérgic[oa]|celíac[oa]|"
    r"vegan[oa])\b",
    re.IGNORECASE,
)
"""What is told in a question, for it to be minded in the answer."""


def cues(sentence: str) -> Cue:
    """What a user's sentence says; `Cue.NONE` for a question without a need and for anything unrecognised."""
    found = Cue.NONE
    for cue, pattern in _CUES.items():
        if pattern.search(sentence):
            found |= cue
    if is_question(sentence):
        return found & (Cue.NEED | Cue.PREFERENCE if _BY_THE_WAY.search(sentence) else Cue.NEED)
    return found


def is_question(sentence: str) -> bool:
    """Whether it asks something, by its mark or, where it has no other, by its first words."""
    return bool(_QUESTION_MARK.search(sentence) or _QUESTION_START.match(sentence))


def is_request(sentence: str) -> bool:
    """Whether a question asks for something to be told or done, rather than after the other's life."""
    return _REQUEST.search(sentence) is not None


def is_small_talk(sentence: str) -> bool:
    """Whether nothing would be lost by leaving it out: greetings, thanks, praise, farewells."""
    if any(character.isdigit() for character in sentence):
        return False
    spoken = _NAME_LAST.sub("", sentence)
    content = [word for word in without_stop_words(words(spoken)) if word not in COMMON_WORDS]
    if not content:
        return _COURTESY.search(sentence) is not None or not cues(sentence) & ~Cue.PREFERENCE
    if len(content) == 1 and sentence.endswith("!") and _CALL.match(sentence):
        return True
    return len(content) < 3 and _COURTESY.search(sentence) is not None


def is_about_the_other(sentence: str) -> bool:
    """Whether it speaks of the person spoken to: praise and encouragement, mostly."""
    return bool(_ABOUT_THE_OTHER.match(sentence) or _COURTESY.match(sentence) or _GUESS.search(sentence))


def is_platitude(sentence: str) -> bool:
    """Whether it would hold for everyone: "Staying fit is so important"."""
    return _PLATITUDE.search(sentence) is not None and _SELF.search(sentence) is None


def is_order(sentence: str) -> bool:
    """Whether it tells an assistant how to behave, rather than something of the speaker."""
    return _ORDER.search(sentence) is not None


def points_back(sentence: str) -> bool:
    """Whether its first word needs the sentence before it: "That is when it broke"."""
    return _POINTING.search(sentence) is not None


def without_opening(sentence: str) -> str:
    """The sentence without "Yeah," or "Thanks, Ann!" before it: still the speaker's own words."""
    rest = _NAME_FIRST.sub("", _OPENING.sub("", sentence))
    return rest if len(rest) > 3 else sentence
