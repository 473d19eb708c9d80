"""The commands that only read, each with the options that keep it so. What is not named here is asked about."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Rest(StrEnum):
    """What the words that are no options stand for."""

    NOTHING = "nothing"
    PATHS = "paths"
    DATA = "data"
    PATTERN_THEN_PATHS = "pattern"
    ONE_PATH = "path"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """`flags` take no value, `values` take one; `long` may carry =data, `long_values` take it from the next word too.

    `number_flag`: -20 is an option. `patterns`: unquoted * may stand for any number of words. `all_data`: even words
    that begin with - can do no harm. `names_only`: of files it tells names and sizes, not what is in them.
    `rest_fits`: each of the other words must match it.
    """

    rest: Rest
    flags: frozenset[str]
    values: frozenset[str]
    long: frozenset[str]
    long_values: frozenset[str]
    number_flag: bool
    patterns: bool
    all_data: bool
    names_only: bool
    rest_fits: Callable[[str], object]


# name, what the rest is, short options as getopt(3) writes them, long ones (= where a value follows), and remarks:
# +number, +nopatterns, +data, +names. Sources: the manual pages of coreutils 9, grep 3,
# procps 4, util-linux 2, diffutils 3, ripgrep 13.
TABLE = """
arch nothing -
basename data azs: multiple zero suffix=
cat paths AbeEnstTuv show-all number-nonblank show-ends number squeeze-blank show-tabs
cmp paths blsn: print-bytes verbose silent quiet bytes=
comm paths 123z check-order nocheck-order total zero-terminated output-delimiter=
cut paths snzb:c:d:f: complement only-delimited zero-terminated bytes= characters= delimiter= fields=
date data uRId: utc universal rfc-email iso-8601 rfc-3339 date=
df data ahHiklPTvt:x:B: all human-readable si inodes local portability total print-type no-sync type= exclude-type=
    block-size= output
diff paths abBcdeEiNpqrstTuwyZC:U:W:x:I: brief unified context side-by-side recursive ignore-case color
    ignore-all-space ignore-blank-lines width= exclude=
dirname data z zero
du paths 0abcDhHklLmPsSxd:t:B: all apparent-size bytes total human-readable summarize one-file-system si null
    separate-dirs time inodes max-depth= threshold= exclude= block-size= +names
echo data - +data
false nothing -
file paths bhikLNrsz0F: brief mime mime-type mime-encoding dereference
free nothing bkmghtlwvs:c: seconds= count= bytes kibi mebi gibi tebi human total lohi wide si kilo mega giga
grep pattern EFGPivywxcLloqshHnTZabzrRUe:m:A:B:C:d:D: extended-regexp fixed-strings basic-regexp perl-regexp
    ignore-case no-ignore-case invert-match word-regexp line-regexp count color colour files-without-match
    files-with-matches only-matching quiet silent no-messages byte-offset with-filename no-filename line-number
    initial-tab null text recursive line-buffered regexp= max-count= after-context= before-context= context= include=
    exclude= exclude-dir= binary-files= label= +number
groups nothing -
head paths qvzn:c: quiet silent verbose zero-terminated lines= bytes= +number
hostname nothing sfdiIAy short fqdn domain long ip-address all-ip-addresses all-fqdns
id data ugGnrz user group groups name real zero
ls paths aAbBcCdfFgGhHiklLmnNopqQrRsStuUvxX1Zw:T:I: all almost-all author escape classify color directory dereference
    full-time group-directories-first no-group human-readable si inode numeric-uid-gid reverse recursive size file-type
    sort= time= time-style= format= block-size= ignore= hide= width= +names
lsblk nothing abdfilmnpPrStJo:I:e:x: all bytes nodeps fs list noheadings paths json output=
lscpu nothing abcpyJ all json extended parse
md5sum paths btz binary text tag zero
nl paths pb:d:f:h:i:l:n:s:v:w:
nproc nothing - all
printf data -
ps data AadefFHjlLMNTwyxZo:O:p:u:U:G:g:C:t:s:k:q: forest headers no-headers sort= pid= ppid= user= group= format= cols=
    columns= width=
pwd nothing LP
readlink paths femnqsvz canonicalize +names
realpath paths emLPqsz canonicalize-existing canonicalize-missing +names
rev paths -
rg pattern iSsFwvclLnNHIoqUPxp0.e:A:B:C:m:t:T:g:d:r: ignore-case smart-case case-sensitive fixed-strings word-regexp
    invert-match count files-with-matches files-without-match line-number no-line-number with-filename no-filename
    only-matching quiet multiline pcre2 hidden no-ignore files heading no-heading column stats json trim vimgrep
    max-depth= type= type-not= glob= iglob= regexp= after-context= before-context= context= max-count= sort= color=
    max-columns= type-list null sortr=
seq data wf:s: equal-width format= separator= +number
sha1sum paths btz binary text tag zero
sha256sum paths btz binary text tag zero
sort paths bdfgiMhnRrVcCmsuzk:t: ignore-leading-blanks dictionary-order ignore-case general-numeric-sort
    human-numeric-sort numeric-sort reverse version-sort check stable unique key= field-separator= sort= +nopatterns
stat paths Lftc: dereference file-system terse format= printf= +names
tac paths brs: before regex separator=
tail paths qvzn:c:fFs: quiet silent verbose zero-terminated lines= bytes= follow retry sleep-interval= +number
tr data cCdst complement delete squeeze-repeats truncate-set1
true data - +data
type data aftpP
uname nothing asnrvmpio all kernel-name nodename kernel-release kernel-version machine processor operating-system
uniq path cdDiuzf:s:w: count repeated ignore-case unique skip-fields= skip-chars= check-chars= +nopatterns
uptime nothing psV pretty since version
wc paths cmlLw bytes chars lines max-line-length words
which data a
whoami nothing -
base64 paths diw: decode ignore-garbage wrap=
cal data 13jmyA:B:
cksum paths -
column paths tneLs:o:c:N:R:H: table separator= output-separator= table-columns= table-right= table-hide= output-width=
expand paths it: initial tabs=
expr data - +data
fmt paths cstuw: width=
fold paths bsw: bytes spaces width=
getent data - +data
hexdump paths bcCdovxn:s: canonical length= skip=
hostnamectl nothing - status
iostat data cdhkmxyzN
join paths i1:2:a:v:o:t:e:j: ignore-case check-order header
last data adFiRwxn:s:t: fulltimes +number
lsmod nothing -
lspci nothing vnmkt
lsusb nothing vt
mpstat data AP:u
netstat nothing tulnpaeorsi all numeric listening programs tcp udp route statistics
numfmt data - to= from= suffix= field= header padding=
od paths bcdfiloxvA:j:N:t:w: address-radix= format= skip-bytes= read-bytes= output-duplicates
paste paths sd:z serial delimiters=
pgrep data lafvnoxciwd:u:U:g:G:P:s:t: list-name list-full full exact newest oldest count parent= uid= delimiter=
pidof data sxco:S:
pstree data acghHlnpstTuZ
read data r
sha512sum paths btz binary text tag zero
sleep data -
strings paths afn:t: all bytes= radix=
sum paths rs
tree paths adfhilnprstuxDFCJXL:P:I: noreport du dirsfirst prune dirsonly filelimit= timefmt= si inodes device matchdirs
    ignore-case sort= +names
tsort paths -
tty nothing s
unexpand paths at: all first-only tabs=
users nothing -
vmstat data adfmnstwS: active stats disk wide
w data hsfiou no-header short
whereis data bmsu
who data abdHlmpqrstTu all boot count heading users
xxd path bcdeEipsuc:g:l:s: +nopatterns
zcat paths fq
"""

FITS: dict[str, Callable[[str], object]] = {
    # %n stores into a variable, and its subscript may hold a command.
    "printf": re.compile(r"(?!(.|\n)*%[^A-Za-z%]*[hlLjzt]*n)").match,
    "sleep": re.compile(r"\d{1,2}(\.\d+)?s?$").match,
    "read": re.compile(r"[a-z][a-z0-9_]*$").match,
    "last": re.compile(r"[a-z0-9._-]+$").match,
    "date": re.compile(r"\+").match,  # another word would set the clock
    "ps": re.compile(r"[acfhjklmnrSTuvwxX]+$|\d+(,\d+)*$").match,  # e would show environments
}


def make_spec(name: str, rest: str, short: str, more: list[str]) -> Spec:
    """`short` as getopt(3) writes options, `more` long ones (= where a value follows) and remarks (+)."""
    short = short if short != "-" else ""
    values = re.findall(r"(.):", short)
    remarks = {word for word in more if word.startswith("+")}
    long = set(more) - remarks
    return Spec(
        rest=Rest(rest),
        flags=frozenset(re.sub(r".:", "", short)),
        values=frozenset(values),
        long=frozenset(word for word in long if not word.endswith("=")),
        long_values=frozenset(word[:-1] for word in long if word.endswith("=")),
        number_flag="+number" in remarks,
        patterns="+nopatterns" not in remarks,
        all_data="+data" in remarks,
        names_only="+names" in remarks,
        rest_fits=FITS.get(name, lambda text: True),
    )


def _rows() -> Iterator[tuple[str, Spec]]:
    for row in TABLE.strip().replace("\n    ", " ").splitlines():
        name, rest, short, *more = row.split()
        yield name, make_spec(name, rest, short, more)


READ_ONLY: dict[str, Spec] = dict(_rows())
READ_ONLY |= {"egrep": READ_ONLY["grep"], "fgrep": READ_ONLY["grep"]}
