"""Command lines and addresses, one a line, that the gate must allow, ask about or deny."""

READS = """printf '%s\\n' a b
command -v docker
top -b -n 1
uptime
uptime; date -u
ls -la
ls -la --color=always *.txt
cat notes.txt | grep -v foo | wc -l
cat /etc/os-release
df -h | grep /dev
ps aux | sort -rnk3 | head -5
ps -eo pid,cmd --sort=-rss
echo "rm -rf /"
grep "rm -rf" notes
grep -rn --include='*.py' TODO .
grep -e one -e two notes
du -sh . | sort -h
ls missing 2>/dev/null || echo none
ls >/dev/null 2>&1
LC_ALL=C sort notes
l's' "-l"
/usr/bin/uptime
head -20 README.md && tail -n 5 README.md
cat /proc/cpuinfo | grep -c processor
free -m; uname -a; whoami; hostname; pwd; nproc
time ls
timeout 5 cat x
find . -name '*.txt' -newer notes
for f in a b; do wc -l "$f"; done
for f in *.txt; do head -1 "$f"; done
while read -r line; do echo "$line"; done < notes
if [ -f notes ]; then cat notes; else echo none; fi
[ -f notes ] && ls
d=sub; ls "$d"
cd sub && ls && cat notes
diff <(sort a) <(sort b)
echo $(date) $HOME $((1+2))
cat $'x'
cat /var/log/syslog | tail -20
git -C sub log --oneline
x=1; ls
true; stat notes; which python3; id; date +%s
cat < /etc/hostname
! true"""

ASKS = """printf '%n' 'a[$(touch x)]'
printf '%s %5ln' a PATH
xxd *
top
rm notes.txt
touch x
curl https://example.com
ls > out.txt
ls >> /dev/null/x
sort -o x y
sort --compress-program=sh x
sort *
uniq a b
date -s 10:00
date 01010101
hostname other
grep -r x /home
grep -ie x /etc/passwd /home/x
head -n /home/* x
echo /home/*
ls /
cat */../x
env
FOO=1 ls
LD_PRELOAD=./x.so ls
LC_ALL=$(touch x) ls
`echo ls`
ls &
sudo ls
eval ls
bash -c ls
xargs ls
./ls
~/ls
sh script.sh
python3 -c 'print(1)'
ls() { touch x; }; ls
cat <<E
ls 'unclosed
ls |
ls \\
echo a\\\r
ls && {}
{ls; }
ps axe
type ls; alias ls=rm
# only a comment"""

DENIALS = """rm -rf /
rm -rf /*
rm -fr ~
rm -r -f "$HOME"
rm --recursive --force /etc/
rm -rf //
rm -rf /usr/../
rm -rf --no-preserve-root /
sudo rm -rf /
ls && rm -rf /
echo $(rm -rf /)
bash -c "rm -rf /"
sh -c 'sudo rm -rf /*'
eval "rm -rf /"
env X=1 nice rm -rf /
r\\m -rf '/'
"rm" -r"f" /
find / -delete
find / -exec rm {} +
chmod -R 777 /
chown -R nobody /etc
mv /home /tmp/x
mkfs.ext4 /dev/sda1
dd if=/dev/zero of=/dev/sda
echo x > /dev/nvme0n1
shutdown -h now
sudo reboot
systemctl poweroff
init 0
kill -9 -1
:(){ :|:& };:
bomb() { bomb | bomb & }; bomb
cat /etc/shadow
grep root /etc/shadow
cat ~/.ssh/id_rsa
cat .env
cp .env copy
cat < .env
cat /proc/self/environ
cat /proc/1/environ
cat ../postgres/postgresql.conf
psql -h ../postgres
tar cf x.tar ../secret_key"""


LOCAL_URLS = """http://127.0.0.1/ http://127.1/ http://2130706433/ http://0x7f.1/ http://017700000001/ http://0/
http://[::1]/ http://[::ffff:10.0.0.1]/ http://[64:ff9b::7f00:1]/ http://[2002:7f00:1::]/ http://[fe80::1%25eth0]/
http://10.0.0.8/ http://192.168.1.1/ http://172.16.0.1/ http://100.64.0.1/ http://169.254.169.254/latest
http://224.0.0.1/ http://localhost:8000 http://LOCALHOST./ http://db/ http://x.internal/ http://user@127.0.0.1/
http://metadata.google.internal/ ftp://example.com/ file:///etc/passwd javascript:x example.com http://
http://a.b:99999/"""
