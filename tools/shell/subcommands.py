"""Programs of many commands: which of those only read, each with the options that keep it so.

What a program reads from a repository's own settings (aliases, hooks, pagers, filters) may start others: such a
command therefore runs at level read, where nothing can be changed or sent, with an environment that switches off
what can be switched off (`sandbox.py`); here only options that start nothing themselves are let through.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from tools.names import names
from tools.shell.specs import Spec, make_spec

DIFF = (
    "pmsuzRabwBCMDWQG:S:U:X:L:l: stat numstat shortstat summary name-only name-status patch no-patch raw cached staged "
    "patch-with-stat unified= minimal patience histogram diff-algorithm= word-diff word-diff-regex= color no-color "
    "color-words color-moved no-renames find-renames find-copies find-copies-harder diff-filter= pickaxe-regex "
    "pickaxe-all reverse relative text ignore-space-change ignore-all-space ignore-blank-lines inter-hunk-context= "
    "function-context exit-code quiet abbrev full-index binary check dirstat compact-summary merge-base cc "
    "no-ext-diff no-textconv ignore-space-at-eol first-parent rotate-to= skip-to= +number +nopatterns"
)
# -n of log takes a number; -i, -E, -F, -P, -g belong to its search.
LOG = (
    f"n:iEFPcgt{DIFF} oneline graph all branches tags remotes glob= exclude= not decorate no-decorate follow merges "
    "no-merges since= until= after= before= author= committer= grep= all-match invert-grep regexp-ignore-case "
    "max-count= skip= reverse topo-order date-order author-date-order date= format= pretty= abbrev-commit "
    "no-abbrev-commit left-right cherry-pick cherry-mark cherry boundary simplify-by-decoration full-history "
    "ancestry-path parents children walk-reflogs source log-size no-notes perl-regexp fixed-strings extended-regexp "
    "min-parents= max-parents= relative-date stdin-none"
)

# program and command, what the rest is, options as in shell_specs. Sources: the manual pages of git 2.39, systemd 252,
# dpkg 1.21, apt 2.6, npm 10, pip 24.
TABLE = f"""
git log|paths|{LOG}
git show|paths|{LOG}
git diff|paths|{DIFF}
git whatchanged|paths|{LOG}
git rev-list|paths|n: count all max-count= since= until= no-merges merges oneline objects branches tags +number
git shortlog|paths|nsec numbered summary email no-merges since= until= all group=
git status|paths|sbuzv short branch show-stash long porcelain untracked-files ignored no-renames ahead-behind null
git blame|paths|lwetfsnpcbkCML: show-email show-name show-number porcelain line-porcelain date= abbrev= root minimal
git annotate|paths|lwetfsnpcb
git grep|pattern|cilLnwvEFPGhHopqaWIe:A:B:C: ignore-case word-regexp invert-match count name-only files-with-matches
    line-number extended-regexp fixed-strings perl-regexp and or not all-match heading break show-function
    function-context color cached untracked max-depth= no-color quiet only-matching column +nopatterns
git rev-parse|data|q verify short abbrev-ref symbolic-full-name show-toplevel git-dir is-inside-work-tree
    is-bare-repository show-prefix show-cdup end-of-options default= quiet absolute-git-dir +nopatterns
git describe|data|  all tags long always dirty abbrev= contains exact-match first-parent candidates= match= exclude=
    +nopatterns
git name-rev|data|  tags all name-only always +nopatterns
git merge-base|data|a all is-ancestor fork-point octopus independent +nopatterns
git ls-files|paths|cdmosiktuvz cached deleted modified others ignored stage killed exclude-standard full-name
    error-unmatch unmerged
git ls-tree|paths|drtlz name-only long full-tree full-name abbrev object-only
git cat-file|data|tspe +nopatterns
git for-each-ref|data|  format= sort= count= points-at= merged no-merged contains= +nopatterns
git show-ref|data|dhqs heads tags dereference hash verify quiet +nopatterns
git var|data|l
git count-objects|nothing|vH verbose human-readable
git check-ignore|paths|vnq verbose non-matching quiet
git cherry|data|v verbose +nopatterns
git range-diff|data|s no-patch no-color +nopatterns
git version|nothing|  build-options
git reflog|nothing|n: all oneline date= max-count= +number
git reflog show|data|n: all oneline date= max-count= +number +nopatterns
git branch|nothing|arvlq all remotes list verbose show-current sort= format= color no-color column contains=
    no-contains= merged no-merged points-at= abbrev= ignore-case
git tag|nothing|ln: list sort= format= contains= no-contains= points-at= column merged no-merged ignore-case
git remote|nothing|v verbose
git stash list|data|  oneline stat date= +nopatterns
git stash show|data|pu patch stat name-only name-status include-untracked +nopatterns
git worktree list|nothing|vz verbose porcelain
git submodule status|paths|  recursive cached
git config --get|data|
dpkg -l|data|
dpkg -L|data|
dpkg -S|data|
dpkg -s|data|
dpkg --list|data|
dpkg --listfiles|data|
dpkg --search|data|
dpkg --status|data|
dpkg --get-selections|data|
dpkg --print-architecture|nothing|
dpkg-query -l|data|
dpkg-query -L|data|
dpkg-query -S|data|
dpkg-query -s|data|
dpkg-query -W|data|f: showformat=
dpkg-query --list|data|
dpkg-query --listfiles|data|
dpkg-query --search|data|
dpkg-query --status|data|
dpkg-query --show|data|f: showformat=
apt list|data|a installed upgradable all-versions manual-installed
apt show|data|a all-versions
apt search|data|n names-only full
apt policy|data|
apt depends|data|
apt rdepends|data|
apt-cache show|data|a all-versions
apt-cache search|data|nf names-only full
apt-cache policy|data|
apt-cache depends|data|  recurse installed
apt-cache rdepends|data|  recurse installed
apt-cache showpkg|data|
apt-cache madison|data|
apt-cache stats|nothing|
apt-cache pkgnames|data|
npm ls|data|alp all long parseable json depth= omit= global
npm list|data|alp all long parseable json depth= omit= global
npm version|nothing|
pip list|nothing|  format= not-required user local exclude=
pip show|data|fv files verbose
pip freeze|nothing|  local user all exclude=
pip check|nothing|
"""

# These take options before and after their command; so they are one table each, and the command must be on its list.
VERBS = {
    "systemctl": frozenset(
        names(
            "status show cat is-active is-enabled is-failed is-system-running list-units list-unit-files list-timers "
            "list-sockets list-dependencies list-jobs list-automounts list-paths get-default whoami"
        )
    ),
    "timedatectl": frozenset(names("status show list-timezones timesync-status")),
    "loginctl": frozenset(
        names("list-sessions list-users list-seats session-status user-status show-session show-user")
    ),
    "localectl": frozenset(names("status list-locales")),
    "hostnamectl": frozenset(names("status hostname")),
}
SYSTEMD = (
    "alqn:o:p:t: all full no-pager no-legend plain quiet failed value with-dependencies reverse after before recursive "
    "lines= output= property= type= state= no-ask-password +nopatterns"
)
JOURNAL = (
    "aexkqrmbn:o:p:u:t:g:S:U:FNT: all pager-end catalog dmesg quiet reverse merge boot no-pager no-tail no-full full "
    "utc no-hostname list-boots disk-usage header fields lines= output= priority= unit= identifier= grep= since= "
    "until= case-sensitive facility= field= list-catalog +number +nopatterns"
)
JOURNAL_MATCH = re.compile(r"[A-Z_][A-Z0-9_]*=.*|\+|/(usr|bin|sbin)/[\w./-]+|[0-9a-f]{32}|\d+", re.DOTALL)
SS = (
    "atuwxlneomipsOH460r all tcp udp raw unix listening numeric extended options memory info processes summary ipv4 "
    "ipv6 no-header oneline tcp-info cgroup context +nopatterns"
)


def _spec_of(name: str, rest: str, options: str) -> Spec:
    words = options.split()
    has_short = bool(words) and not options.startswith(" ") and not words[0].startswith("+")
    return make_spec(name, rest, words[0] if has_short else "-", words[1:] if has_short else words)


def _rows() -> Iterator[tuple[str, Spec]]:
    for row in TABLE.strip().replace("\n    ", " ").splitlines():
        name, rest, options = row.split("|")
        yield name, _spec_of(name, rest, options)


SUBCOMMANDS: dict[str, Spec] = dict(_rows())
SUBCOMMANDS |= {name.replace("pip", "pip3", 1): spec for name, spec in SUBCOMMANDS.items() if name.startswith("pip ")}
# Where a bare `git branch x` would make something, words may only follow an option that lists.
LISTING = {
    "git branch": frozenset(names("l list contains no-contains merged no-merged points-at")),
    "git tag": frozenset(names("l list contains no-contains merged no-merged points-at")),
}
PROGRAMS = frozenset(name.split()[0] for name in SUBCOMMANDS)

WITH_VERB: dict[str, Spec] = {name: _spec_of(name, "data", SYSTEMD) for name in VERBS}
FLAT: dict[str, Spec] = {
    "journalctl": replace(_spec_of("journalctl", "data", JOURNAL), rest_fits=JOURNAL_MATCH.fullmatch),
    "ss": _spec_of("ss", "data", SS),
}
