"""Words that the analysis of text needs: what binds, what is small change, what bends irregularly."""

_ENGLISH = """
a about after again all also am an and any are as at be because been before being but by can could did do
does doing done dont else for from get gets getting got had has have having he her here hers him his how i
id if ill im in into is it its ive just let many may me might mine more most much must my myself no nor not
now of off ok okay on once or other our ours out over own per please shall she should so some such than that
the their theirs them then there these they this those through to too until up us very was we were what when
where which while who whom whose why will with would yes you your yours yourself yourselves
"""
_OTHERS = """
什么 叫什 么名 怎么 多少 是什 请问 没有 有没 可以
aber al als am au auf aus aux avec bei bin bis ce ces cette che como con cuál da dans das dass de del dem
den der des di die dir do dos du e ein eine einem einen einer eines el ele ella elle ellos em en er era eres
es est esta este esto estoy está et eu fue für gli ha hab habe haben hat hay i ich ihr il ils im io isso ist
ja je kann kein keine la las le lei les leur lo los lui ma mais man mas me mein meine mes mi mich mio mir
mis mit moi mon muy más na nach ne nicht no noch non nos nous nur não o ob oder on os ou où par para pas per
pero più por porque pour qu que qui quién quoi qué sa se sein ser ses si sich sie sin sind so sobre son sono
sont soy su suis sur sus sí ta también te tengo tes tiene toi ton tu um uma un una und une uno unos uns von
vor vos votre vous war was wenn wer wie wir wird wo y ya yo zu zum zur è über
gegen ohne durch seit beim ins während wegen zwischen auch noch schon doch mal mehr wieder etwas nichts mich dich uns
euch ihm ihn ihnen ihre ihren seine seinen meinen meinem meiner deine dein unser unsere wurde wurden wäre würde kannst
können muss musst müssen soll sollte wollte habt
warum welche welchem welchen welcher welches weshalb wieso wofür woher wohin womit worum wozu wann hatte hatten bist
heisst heissen quel quelle quels quelles pourquoi dónde cómo cuál cuáles onde qual quale quali perché
"""
"""German, French, Spanish, Portuguese, Italian; Chinese as pairs of characters."""

ENGLISH_STOP_WORDS = frozenset(_ENGLISH.split())
OTHER_STOP_WORDS = frozenset(_OTHERS.split())
STOP_WORDS = ENGLISH_STOP_WORDS | OTHER_STOP_WORDS
"""Words that bind others and say nothing by themselves; casefolded."""
_TELLING = "bin den die ella era hat hay man mit par pour sin son ton uno war"
TELLING_IN_ENGLISH = frozenset(_TELLING.split())
"""Words that bind in another language: in English a hat, a son, a war."""

_COMMON = """
able absolute absolutely actually add advice afternoon again ago ah ahead almost along already always amazed
amazing another answer answers anybody anyone anything appreciate around arrive arrived ask asked asking aw
away awesome awhile aww back bad beautiful become becoming beforehand beginnt believe besoin best bet better
big bit bitte blast bond bonjour brand brauche bring bringing brings broke broken btw buddy bunch busy bye
call called came cancel canceled cancelled cannot catch certain certainly challenge challenges chat chatting
check cheers choose ciao clear clearly close combien come comes coming compassion completely congrats
congratulations continue cool couple courage course creating cute cuándo cuánto damn danke day days deal
dear decided deep def definitely delicious deserves details determination determined difference different
dozen during easy eight else emotions encouragement end enjoy enjoyable enjoyed enjoying enough especially
essential even evening ever every everybody everyone everything exactly excellent excited exciting
experience expressing extra fact fair fan fans fantastic far fave favorite favorites favourite favourites
feel feeling feelings feels felt few figure finally find finding fine first five focus focused folks forward
found four free friday fun future gave general getting gibt give given gives giving glad go goes going gone
gonna good goodbye gorgeous gosh gotta gracias grateful grazie great guess guy guys haha half hallo hand
happen happened happening happy hard haven hear heard hello help helped helpful helping helps hey hi hit hmm
hola hold hope hoping hour hours huge hundred idea imagine impact important impressive incredible incredibly
indeed information inspire inspired inspiring instead interested interesting journey keen keep keeping keeps
key kind kinda know known last lately later learning least less let lets life like liked likes little ll lol
long look looked looking looks lot lots love loved lovely loves loving low luck lucky madam made main make
makes making mate matter maybe mean meaningful means meant memorable merci mhm mind minute minutes mixed
moment moments monday month months morning mostly much möchte name names near nearly necesito need needed
needs never new next nice night nine nobody none nope note nothing notice obrigado obviously off often oh
old omg one ones only open opportunity order ordered others otherwise ourselves pal part passion passionate
past people perfect perfectly perhaps person personal pic pics piece place plan plans pleasure pls plus
positive possible powerful pretty probably problem proud pushing put putting quand question questions quick
quiero quite rather reach ready real realize really receive received recent recently reckon regarding remind
reminded reminder reminds rewarding right round sad said same saturday saw say saying says see seeing seem
seems seen send sense sent set seven several share shared sharing show shows side similar simple simply
since sir six small somebody someone something sometimes somewhere soon sorry sort sound sounds special
specific spot start started starting stay still stop story strength stuff stunning success suggest
suggestions sunday super supportive suppose sure sweet take taken takes taking talk talked talking teach
teaches tell telling tells ten thank thankful thanks thing things think thinking though thought thoughts
thousand three thursday thx time times tiny today together told tomorrow tonight took top total totally
touch tough tried true truly try trying tuesday turn twelve two u uh um understand unique upon ur use used
useful using usually valuable ve via vibe vibes visit voudrais wait wann wanna want wanted wants watching
way ways wednesday week weekend weeks welcome well went whatever whenever whole wild wish without wonder
wonderful wondering wont word words work worked working works world worry worth worthwhile wow yay yeah year
years yep yesterday yet yours yup
"""

COMMON_WORDS = frozenset(_COMMON.split())
"""Chat's small change: words, most of them English, that are no topic by themselves; casefolded."""

_BINDING = """
across afterward afterwards against although amidst among behind below beneath beside besides between beyond both
despite each either include included includes including inside neither onto outside themselves throughout toward
towards underneath unless unlike unlikely wherever whether within
"""

BINDING_WORDS = frozenset(_BINDING.split())
"""Words that bind what stands around them, and are part of no phrase."""

_VAGUE = """
ability abstract abundance accept acceptance accident achieve achievement achievements act action addition additional
admire adorable advantage advantages adventure adventures afford ages air allow alternative ambiance ambience ambition
amongst amount appear appearance appreciation approach area aspect assume assure atmosphere attach attempt attend
attention attitude attract aunt available average avoid awareness background barrier base based basic basis battle
beautifully beauty beginning behave behavior behaviour belief belong beneficial benefit bless blessed blessing body
bold boost boring born bother bowl boy boyfriend brave break breakdown breakfast breath breathing brief bright
brilliant brother build bump burden cafe calm calmness capability capable capture care careful case cash cause
celebrate celebration challenging chance change character charming cheap cheer child chill choice chuckle church
circle circumstance city clap clarity class classic clean clever closeness cold colleague collection combination
combine combo comfort comfortable comfy comment commit commitment common company compare competitive complete complex
compliment concept concern condition confident connect connection consider considerate contact contain content context
contribute contribution control cost cosy count country courageous cousin coworker cozy crave crazy creamy create
creative crisp crowd crucial cry curious current customer dad daily dare dark darkness date daughter decent decide
decision dedicate dedicated dedication defeat degree delight delightful delve demand depth describe desire destiny
detail develop development difficult difficulty dig dinner direction disappointed disappointment discover discovery
discuss discussion dish display distance distant dive doubt down downside drag dream drift drive drop duty eager
earlier early earn ease effect effective efficient effort elegant element embrace emerge emotion emotional emphasis
empower empowering empowerment enchanting encounter encourage encouraging energetic engage enhance enormous ensure
enthusiasm enthusiastic entire entry environment epic equal escape essence ethic evaluate event everyday evident
evolve example exception exchange excite excitement exhausted exhausting exist exotic expand expect expectation
expensive expert expertise explain explode exploration explore expose express expression eye face factor fade fail
failure faith fam familiar family famous fancy farther fascinating fast father feature feedback fellow festive field
fierce fifth fill final finals finger finish fit fix flag flavor flavour flexible float flow folk follow force form
former fortunate fourth frame frequent fresh friend friendly frustrated frustrating frustration fulfil fulfill
fulfilling fulfillment full function fund funny further gain gap gather gathering gaze generous gentle genuine gesture
gig girl girlfriend glance glow goal grab grand grandfather grandma grandmother grandpa greatest greatness grin grip
group grow growth habit handle hang happiness hardship hardworking harmony head healthy heart heartfelt heartwarming
heavy hectic height hesitate high high-quality highlight hilarious hint hobby home honest honor honour hop hopeful
horrible hot household hug humble humor humour hungry husband hype ideal ignore image imagination immense importance
impress impression improve improvement increase independent individual influence inform initial initiative inner
insight insist inspiration instance integrate intend intense intensity intention interact interaction interest
internal introduce invitation invite involve issue item join joy joyful judge jump kick kid kindness lack lady large
latest laugh laughter lay layer lead leader leading lean leap leave legacy level lie lift lil limit limitation line
list listen live lively lives local location lonely lotta loud lower loyalty lunch luxurious luxury magical maintain
major majority manage mark mass massive match material max maximum meal meaning measure mechanical meet member memory
mention mentor mess message method mild milestone minds minor miss mission mistake mix mode modern mom mood mother
motion motivate motivated move movement mum natural neat negative neighbor neighbour nerve-wracking nervous newest
news nod noise normal notch notion novelty number object obstacle obtain occasion occur odd offer official offline
oldest online opinion oppose optimism optimistic option ordinary organization organize origin original outcome
outdated outlook outstanding overall overcome overwhelmed overwhelming owner pace pain parent particular partner party
pass path patient pattern peace peaceful perform performance period permanent permission perseverance persist
persistence personality perspective phase phenomenal phew photo photograph physical pick picture picturesque plain
player playful pleasant plenty point polite popular portion pose position positivity possibility potential power
practice praise pray pre-season precious prefer preference preparation prepare presence present pressure pretend
previous price pride principle prior priority private prize proceed process produce product production professional
progress project promise promising promote promotion proper property protect prove provide public pull pure purpose
pursue push pushy quality quantity quiet quote raise random range rare rate react reaction realistic reality reason
reassurance recall recharge recognition recommend recommendation record recover reduce refer reflect reflection
refresh refreshing refuse regard region regret regular rejection rejuvenation relate related relation relationship
relative relax relaxed relaxing release relevant reliable relief relieved rely remain remarkable remember remote
remove repeat replace reply report represent request require requirement resilient resist resolution resolve resource
respect respond response responsibility responsible rest result resume return reunion reveal review reward rhythm rich
richness rid ring rise risk role romantic room root rough routine rule rush sacrifice sadness safe safety sample
satisfaction satisfied satisfy save scared scary scenario scene scenic schedule scope score scream season seat second
secret section secure seek select self sensation separate serene serenity series serious serve service session setback
setting settle shadow shake shallow shape sharp shed shift shine shock short shot shout shy sibling sick sigh sight
sign signal significance significant silence silly simplicity sink sip sister situation sixth size skill slide slight
slip slow smart smell smile smooth sneak social society soft solid solution solve sophisticated source space spark
sparkle speak spectacular speed spend spin spirit spiritual split spread squeeze stable stage stand standard stare
state statement status steady steal step stick stir stoked stranger strategy stressful stretch strict strike string
strong structure struggle stuck stumble style subject succeed successful sudden suffer sufficient suggestion suit
suitable summary supply support supporter surface surprise surprised surprising surreal surround survive suspect
swallow swear sweep swing switch symbol sympathy system tackle talent talented target task taste tasty team teammate
tear technique tendency tension tenth term terrible terrific terror test theme third thoughtful thoughtfulness threat
thrill thrilled thrilling thrive throw tie tight tip tired title togetherness tone tool topic toss tot toughest trace
track traditional tranquil tranquility transform transformation transition treat trend trick tricky trigger trip
trouble truth turning twist type typical ugh ultimate uncertain uncertainty uncle unexpected unforgettable unhappy
unity universal unknown unusual upcoming update uplift uplifting upset urban urge urgent usual vacay valley value
variety various vary vast version vibrant victory video view virtual virtue visible vision vital vivid voice
vulnerable wake walk wall wander warm warmth warn waste wave weak weather weight weird whichever whoever wide wife
willing win wind wipe wisdom wise witness woman woo woohoo worried worse worst worthy wound wrap wrong yearn yell
yikes young younger yummy zone
"""

VAGUE_WORDS = frozenset(_VAGUE.split()) | BINDING_WORDS
"""Words that name no subject by themselves, though they may be part of a name: "team", but "team building"."""

_SLANG = """
january february march april june july august september october november december jan feb mar apr jun jul aug sep sept
oct nov dec mondays tuesdays wednesdays thursdays fridays saturdays sundays weekdays weekends montag dienstag mittwoch
donnerstag freitag samstag sonntag woche wochen monat monate jahr jahre tag tage januar februar märz mai juni juli
oktober dezember lunes martes miércoles jueves viernes sábado sábados domingo enero febrero marzo abril mayo junio
julio agosto septiembre octubre noviembre diciembre semana semanas mes meses año años día días ayer hoy mañana
af aint arent bc bday bro bruh btw cause cba coz cuz cant couldnt def defo didnt doesnt dude dunno everywhere fr gimme
grats havent hasnt hella highkey imho imo insane innit irl isnt jk legit lemme literally lmao lmfao lowkey mid n ngl
nonsense probs prob r rip rn rofl shouldnt sis smh sorta sth suck sucks sucked sup tbh thats theres tho thru tmr tmrw
wasnt werent whats wheres wouldnt wtf xd ya yall yo yesterday ppl plz dad dads moms kids bit lots stuff things
gibt geht heute gestern morgen echt mal halt eben doch schon noch immer wieder sehr ganz total ziemlich toll super
teil ding dinge sache sachen frage problem frau mann sohn tochter enkel freund freundin chef chefin kollege kollegin
bruder schwester mutter vater oma opa hija hijo hijos marido esposo esposa mujer madre padre hermano hermana novio
novia jefe jefa amigo amiga abuela abuelo niña niño niñas niños cosa cosas vez parte femme mari fille fils mère père
sentence sentences tip tips proofread spelling cerca lejos desde hasta dentro fuera antes después ahora aquí allí pena
quid euro euros dollar dollars pounds bucks percent learned learnt jahren stunden stunde tasten cuando donde cierto
hace hacer tener ser estar ir ver algo alguien algún alguna nada todo todos mucho mucha muchos poco mejor bien
"""

SLANG_WORDS = frozenset(_SLANG.split())
"""Names of days and months, short forms of chats and the like: no topic by themselves, nor a part of one."""

_VERBS = """
ate eat, eaten eat, began begin, begun begin, bought buy, broke break, broken break, brought bring, built
build, came come, caught catch, chose choose, chosen choose, drew draw, drank drink, drove drive, driven
drive, fell fall, felt feel, found find, flew fly, forgot forget, gave give, given give, gone go, went go,
grew grow, heard hear, held hold, kept keep, knew know, known know, left leave, lost lose, made make, meant
mean, met meet, paid pay, ran run, read read, said say, saw see, seen see, sold sell, sent send, slept
sleep, spoke speak, spoken speak, spent spend, swam swim, taught teach, told tell, thought think, took take,
taken take, wore wear, won win, wrote write, written write, dying die, lying lie
"""
_OTHER_FORMS = """
children child, kids kid, allergic allergy, men man, women woman, people person, feet foot, teeth tooth,
mice mouse, wives wife, lives live, knives knife
"""

IRREGULAR_VERBS: dict[str, str] = dict(pair.split() for pair in _VERBS.split(","))
IRREGULAR_FORMS: dict[str, str] = IRREGULAR_VERBS | dict(pair.split() for pair in _OTHER_FORMS.split(","))
"""English forms that no ending betrays, to the form they belong to."""
