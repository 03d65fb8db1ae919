"""Names of languages: every name and code of a language becomes Whisper's code, once, where it is read.

Known are Whisper's codes and names, the codes of ISO 639 (two and three letters, also retired ones), and any of these
with a region, script or encoding: ``en``, ``eng``, ``English``, ``en-US``, ``en_US.UTF-8``, ``English (US)``.

References: openai-whisper, ``tokenizer.LANGUAGES``; ISO 639; BCP 47.
"""

from __future__ import annotations

import difflib
import re
import unicodedata

from align_eval.errors import InputError
from align_eval.records import AUTO

# Whisper's code, its name, then other names and codes of the same language
_TABLE = """
en=english,eng; zh=chinese,zho,chi,中文,mandarin,cmn,mandarin chinese; de=german,deu,ger,deutsch;
es=spanish,spa,castilian,español,espanol; ru=russian,rus,русский; ko=korean,kor,한국어;
fr=french,fra,fre,français,francais; ja=japanese,jpn,日本語; pt=portuguese,por,português; tr=turkish,tur,türkçe;
pl=polish,pol,polski; ca=catalan,cat,valencian; nl=dutch,nld,dut,nederlands,flemish; ar=arabic,ara,arb;
sv=swedish,swe,svenska; it=italian,ita,italiano; id=indonesian,ind,in; hi=hindi,hin; fi=finnish,fin,suomi;
vi=vietnamese,vie; he=hebrew,heb,iw; uk=ukrainian,ukr,українська; el=greek,ell,gre,modern greek;
ms=malay,msa,may,zsm; cs=czech,ces,cze; ro=romanian,ron,rum,moldavian,moldovan,mo; da=danish,dan,dansk;
hu=hungarian,hun; ta=tamil,tam; no=norwegian,nor,nb,nob,norsk,bokmål,norwegian bokmål; th=thai,tha; ur=urdu,urd;
hr=croatian,hrv; bg=bulgarian,bul; lt=lithuanian,lit; la=latin,lat; mi=maori,mri,mao; ml=malayalam,mal;
cy=welsh,cym,wel; sk=slovak,slk,slo; te=telugu,tel; fa=persian,fas,per,pes,farsi; lv=latvian,lav,lvs;
bn=bengali,ben; sr=serbian,srp; az=azerbaijani,aze,azj; sl=slovenian,slv; kn=kannada,kan; et=estonian,est,ekk;
mk=macedonian,mkd,mac; br=breton,bre; eu=basque,eus,baq; is=icelandic,isl,ice; hy=armenian,hye,arm;
ne=nepali,nep,npi; mn=mongolian,mon,khk; bs=bosnian,bos; kk=kazakh,kaz; sq=albanian,sqi,alb,als;
sw=swahili,swa,swh,kiswahili; gl=galician,glg; mr=marathi,mar; pa=punjabi,pan,panjabi; si=sinhala,sin,sinhalese;
km=khmer,khm; sn=shona,sna; yo=yoruba,yor; so=somali,som; af=afrikaans,afr; oc=occitan,oci; ka=georgian,kat,geo;
be=belarusian,bel; tg=tajik,tgk; sd=sindhi,snd; gu=gujarati,guj; am=amharic,amh; yi=yiddish,yid,ji; lo=lao,lao;
uz=uzbek,uzb,uzn; fo=faroese,fao; ht=haitian creole,hat,haitian; ps=pashto,pus,pushto,pbt; tk=turkmen,tuk;
nn=nynorsk,nno,norwegian nynorsk; mt=maltese,mlt; sa=sanskrit,san; lb=luxembourgish,ltz,letzeburgesch;
my=myanmar,mya,bur,burmese; bo=tibetan,bod,tib; tl=tagalog,tgl,fil,filipino; mg=malagasy,mlg,plt; as=assamese,asm;
tt=tatar,tat; haw=hawaiian; ln=lingala,lin; ha=hausa,hau; ba=bashkir,bak; jw=javanese,jav,jv; su=sundanese,sun;
yue=cantonese,zh-yue;
"""

NAMES: dict[str, tuple[str, ...]] = {
    code.strip(): tuple(names.split(","))
    for code, names in (entry.split("=") for entry in _TABLE.split(";") if entry.strip())
}
"""Names and codes of each language by Whisper's code, Whisper's name first; all in lower case."""

_CODES = {name: code for code, names in NAMES.items() for name in (code, *names)}
_UNDETERMINED = ("", "und", "unknown", "undetermined")
_SUBTAGS = re.compile(r"[-_.@(].*")


def whisper_code(name: str | None) -> str | None:
    """Whisper's code of a language, None if it is not stated or no language that Whisper knows.

    Examples
    --------
    >>> [whisper_code(name) for name in ("English", "eng", "en-US", "zh_Hant_TW", "zh-yue", "klingon", "und")]
    ['en', 'en', 'en', 'zh', 'yue', None, None]
    """
    lowered = _lowered(name)
    return _CODES.get(lowered) or _CODES.get(_SUBTAGS.sub("", lowered).strip())


def check_language(name: str | None, place: object) -> str | None:
    """Whisper's code of a language; None if it is not stated, and :data:`~align_eval.records.AUTO` for itself.

    Parameters
    ----------
    name
        A name or code.
    place
        Place of the name, for the error.

    Raises
    ------
    InputError
        If Whisper does not know the language; names the nearest that it knows.
    """
    lowered = _lowered(name)
    if lowered == AUTO:
        return AUTO
    code = whisper_code(name)
    if code is None and lowered not in _UNDETERMINED:
        near = difflib.get_close_matches(lowered, _CODES, n=3, cutoff=0.5)
        languages = " or ".join(dict.fromkeys(f"{NAMES[_CODES[n]][0].title()} ({_CODES[n]})" for n in near))
        question = f"did you mean {languages}? " if languages else ""
        remedy = f"{question}use a code such as en, or a name such as English"
        raise InputError(place, f"Whisper knows no language {name!r}", remedy)
    return code


def _lowered(name: str | None) -> str:
    return unicodedata.normalize("NFC", name or "").strip().lower()
