"""Sidecars as programs write them, and in forms that are rare but sound; none of them is a copy of a user's."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
LR = "http://ns.adobe.com/lightroom/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"

DARKTABLE = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="{DC}"
    xmlns:lr="{LR}"
   xmp:Rating="2"
   xmpMM:DerivedFrom="IMG_0001.CR2"
   darktable:xmp_version="5"
   darktable:raw_params="0"
   darktable:history_end="1">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="flip"
      darktable:params="ffffffff"/>
    </rdf:Seq>
   </darktable:history>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Holiday</rdf:li>
     <rdf:li>Zoë &amp; Oma</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>people|Zoë &amp; Oma</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

DIGIKAM_WRITES = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:digiKam="{DIGIKAM}"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:lr="{LR}"
    xmlns:mediapro="http://ns.iview-multimedia.com/mediapro/1.0/"
    xmlns:dc="{DC}"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   digiKam:PickLabel="0"
   digiKam:ColorLabel="0"
   xmp:Rating="4">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>Places/Köln</rdf:li>
     <rdf:li>Holiday</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <MicrosoftPhoto:LastKeywordXMP>
    <rdf:Bag>
     <rdf:li>Places/Köln</rdf:li>
    </rdf:Bag>
   </MicrosoftPhoto:LastKeywordXMP>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>Places|Köln</rdf:li>
     <rdf:li>Holiday</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Köln</rdf:li>
     <rdf:li>Holiday</rdf:li>
    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

EXIFTOOL = f"""<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 12.57'>
<rdf:RDF xmlns:rdf='{RDF}'>

 <rdf:Description rdf:about=''
  xmlns:dc='{DC}'>
  <dc:subject>
   <rdf:Bag>
    <rdf:li>one</rdf:li>
   </rdf:Bag>
  </dc:subject>
  <dc:title>
   <rdf:Alt>
    <rdf:li xml:lang='x-default'>House</rdf:li>
    <rdf:li xml:lang='de-DE'>Haus</rdf:li>
   </rdf:Alt>
  </dc:title>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:xmp='http://ns.adobe.com/xap/1.0/'>
  <xmp:Rating>5</xmp:Rating>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>"""

ONLY_A_RATING = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">
<rdf:Description rdf:about="uuid:1&amp;2" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"/>
</rdf:RDF></x:xmpmeta>"""

OTHER_PREFIXES = f"""<m:xmpmeta xmlns:m="adobe:ns:meta/"><r:RDF xmlns:r="{RDF}" xmlns:lr="urn:something:else/">
  <r:Description r:about="" xmlns:d="{DC}" xmlns:l="{LR}" lr:odd="1">
    <d:subject><r:Bag><r:li>a</r:li><!-- between --><r:li>b</r:li></r:Bag></d:subject>
    <l:hierarchicalSubject><r:Bag/></l:hierarchicalSubject>
  </r:Description>
</r:RDF></m:xmpmeta>"""

NO_LINES = (
    f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" xmlns:dc="{DC}"><dc:subject><rdf:Bag></rdf:Bag>'
    "</dc:subject></rdf:Description></rdf:RDF>"
)

SOUND = {
    "darktable": DARKTABLE,
    "digikam": DIGIKAM_WRITES,
    "exiftool": EXIFTOOL,
    "only a rating": ONLY_A_RATING,
    "other prefixes": OTHER_PREFIXES,
    "no lines": NO_LINES,
    "windows": DARKTABLE.replace("\n", "\r\n"),
    "tabs": DIGIKAM_WRITES.replace("   ", "\t"),
    "byte order mark": "\ufeff" + NO_LINES,
    "padded": EXIFTOOL.replace("<?xpacket end", " " * 2000 + "\n<?xpacket end"),
    "cdata": DARKTABLE.replace("Holiday", "<![CDATA[Holiday]]>"),
    "quoted brackets": DARKTABLE.replace('darktable:params="ffffffff"', "darktable:params='a > b \"c\" &lt;'"),
}


def _with_subject(inside: str) -> str:
    return NO_LINES.replace("<dc:subject><rdf:Bag></rdf:Bag></dc:subject>", inside)


# What can't be edited safely, with a word of the reason.
UNSAFE: dict[str, tuple[bytes, str]] = {
    "UTF-16": (DARKTABLE.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (NO_LINES.encode("utf-16-le"), "UTF-16"),
    "latin-1": (DARKTABLE.replace("UTF-8", "ISO-8859-1").encode("latin-1"), "not UTF-8"),
    "declared as latin-1": (DARKTABLE.replace("UTF-8", "ISO-8859-1").encode(), "ISO-8859-1"),
    "DOCTYPE": (b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + NO_LINES.encode(), "DOCTYPE"),
    "billion laughs": (
        b"<!DOCTYPE x [<!ENTITY a 'b'><!ENTITY c '&a;&a;'>]>" + _with_subject("<dc:subject>&c;</dc:subject>").encode(),
        "DOCTYPE",
    ),
    "attribute": (NO_LINES.replace('rdf:about=""', 'rdf:about="" dc:subject="a"').encode(), "attribute"),
    "plain text": (_with_subject("<dc:subject>a</dc:subject>").encode(), "no plain list"),
    "structure": (
        _with_subject(
            '<dc:subject><rdf:Bag><rdf:li rdf:parseType="Resource"><dc:a>1</dc:a></rdf:li></rdf:Bag></dc:subject>'
        ).encode(),
        "more than plain texts",
    ),
    "resource": (
        _with_subject('<dc:subject><rdf:Bag><rdf:li rdf:resource="x"/></rdf:Bag></dc:subject>').encode(),
        "more than plain texts",
    ),
    "twice": (
        _with_subject("<dc:subject><rdf:Bag/></dc:subject><dc:subject><rdf:Bag/></dc:subject>").encode(),
        "twice",
    ),
    "cut": (DARKTABLE.encode()[:900], "not well-formed"),
    "empty": (b"", "not well-formed"),
    "no XMP": (b"<html><body/></html>", "no XMP packet"),
    "two packets": (f"<a>{NO_LINES}{NO_LINES}</a>".encode(), "no XMP packet"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0", "not UTF-8"),
    "deep": (b"<a>" * 1000 + NO_LINES.encode() + b"</a>" * 1000, "nested"),
    "large": (NO_LINES.encode() + b" " * (9 << 20), "MB"),
}
