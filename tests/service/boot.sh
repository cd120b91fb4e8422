#!/bin/bash
# Boots this machine's own systemd as PID 1 of namespaces that end with it, over an overlay of the
# root file system; runs a command inside, and tears all of it down. What is written inside lands on
# a tmpfs. Needs root with CAP_SYS_ADMIN, Linux 5.14 (cgroup.kill), overlayfs, cgroup2, util-linux and
# systemd 250; installs nothing.
#
#   boot.sh [--bind-ro HOST:DIR]... [--timeout SECONDS] -- COMMAND [ARGUMENT...]
#   boot.sh --probe
#
# Leaves with the command's status; 77: not possible here; 124: out of time; 125: systemd did not
# come up.

say() { printf 'boot.sh: %s\n' "$*" >&2; }

probe() { # the first thing that is missing, or nothing
    [[ $EUID == 0 ]] || { echo 'not root'; return; }
    [[ -x /lib/systemd/systemd ]] || { echo 'no systemd'; return; }
    local name
    for name in unshare nsenter setpriv pivot_root timeout; do
        command -v "$name" >/dev/null || { echo "no $name"; return; }
    done
    for name in overlay cgroup2; do
        grep -qw "$name" /proc/filesystems || { echo "no $name"; return; }
    done
    unshare --mount --pid --uts --ipc --cgroup --fork \
        sh -c 'mount -t tmpfs t /mnt && mkdir /mnt/c && mount -t cgroup2 c /mnt/c' >/dev/null 2>&1 ||
        echo 'may not unshare and mount (CAP_SYS_ADMIN)'
}

# ------------------------------------------------------------------ inside: what becomes PID 1

lay_root() { # the overlay at $root, with fresh kernel file systems
    mount -t overlay overlay -o "lowerdir=/,upperdir=$work/up,workdir=$work/work" "$root"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    local file
    for file in sysrq-trigger kcore kmsg; do # kmsg: the journal must not eat the host's
        [[ ! -e $root/proc/$file ]] || mount --bind /dev/null "$root/proc/$file"
    done
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o nosuid,mode=755,size=8m dev "$root/dev"
    local device name major minor
    for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        IFS=: read -r name major minor <<<"$device"
        mknod -m 666 "$root/dev/$name" c "$major" "$minor"
    done
    mkdir -p "$root"/dev/{pts,shm,mqueue}
    mount -t devpts -o newinstance,nosuid,noexec,mode=620,gid=5,ptmxmode=666 devpts "$root/dev/pts"
    mount -t tmpfs -o nosuid,nodev,mode=1777 shm "$root/dev/shm"
    mount -t mqueue mqueue "$root/dev/mqueue" 2>/dev/null || :
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
    mount -t tmpfs -o nosuid,nodev,mode=755 run "$root/run"
    mount -t tmpfs -o nosuid,nodev,mode=1777 tmp "$root/tmp"
    mount -t tmpfs -o nosuid,nodev,mode=1777 tmp "$root/var/tmp"
    mkdir -p "$root/run/lock"
}

quieten() { # neither the host's units and timers, nor what cannot work here or would reach outside
    local etc=$root/etc/systemd unit file
    rm -rf "$etc"/system/*.wants "$etc"/system/*.requires "$root/var/log/journal"
    : >"$root/etc/fstab"
    mkdir -p "$etc"/{system,system-generators,journald.conf.d,system.conf.d} "$root/etc/tmpfiles.d"
    for file in "$root"/{usr/,}lib/systemd/system-generators/*; do
        ln -sfn /dev/null "$etc/system-generators/${file##*/}"
    done
    for unit in dev-hugepages.mount sys-kernel-{config,debug,tracing}.mount \
        sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.{auto,}mount \
        kmod-static-nodes.service systemd-{modules-load,sysctl,binfmt}.service \
        systemd-{firstboot,machine-id-commit,random-seed,repart}.service \
        systemd-{pcrphase,pcrphase-sysinit,update-utmp,update-utmp-runlevel}.service \
        systemd-{remount-fs,ask-password-console,ask-password-wall}.service \
        systemd-ask-password-{console,wall}.path systemd-tmpfiles-clean.timer \
        systemd-{networkd,resolved,timesyncd,udevd,homed,oomd,logind}.service \
        systemd-udev-{trigger,settle}.service systemd-udevd-{control,kernel}.socket \
        systemd-initctl.socket systemd-journald-audit.socket getty.target \
        console-getty.service e2scrub_reap.service \
        {apt-daily,apt-daily-upgrade,dpkg-db-backup,e2scrub_all,fstrim,man-db}.timer; do
        ln -sfn /dev/null "$etc/system/$unit"
    done
    for file in tmp.conf x11.conf; do # they empty /tmp at a boot
        ln -sfn /dev/null "$root/etc/tmpfiles.d/$file"
    done
    printf '[Journal]\nStorage=volatile\nReadKMsg=no\nForwardToSyslog=no\nForwardToWall=no\n' \
        >"$etc/journald.conf.d/99-boot.conf"
    printf '[Manager]\nShowStatus=no\nLogTarget=journal\n' >"$etc/system.conf.d/99-boot.conf"
}

become_systemd() { # in namespaces of our own: WORK [HOST DIR]...
    set -e
    work=$1 root=$1/root
    shift
    local pid
    read -r pid _ </proc/self/stat # of the host's /proc, still
    lay_root
    quieten
    while (($#)); do
        if [[ -d $1 ]]; then mkdir -p "$root$2"; else mkdir -p "$root${2%/*}"; : >>"$root$2"; fi
        mount --rbind "$1" "$root$2"
        mount -o remount,bind,ro "$root$2"
        shift 2
    done
    echo "$pid" >"$work/pid"
    cd "$root"
    pivot_root . .
    umount -l .
    cd /
    mount --make-rshared / # else what LoadCredential= mounts stays unseen
    exec env -i container=boot.sh PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 \
        setpriv --bounding-set -sys_module,-sys_time,-sys_rawio,-syslog,-wake_alarm,-mac_admin,-mac_override \
        /lib/systemd/systemd --system --unit=multi-user.target </dev/null >/dev/null 2>&1
}

# ------------------------------------------------------------------ outside

tear_down() {
    trap '' INT TERM HUP
    [[ ! $group ]] || echo 1 >"$group/cgroup.kill"
    wait
    if [[ $group ]]; then
        for _ in {1..100}; do
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
            [[ -e $group ]] || break
            sleep 0.02
        done
    fi
    cd /
    [[ ! $work ]] || { umount -l "$work"; rmdir "$work"; }
}

sweep() { # what a run that was killed has left: empty directories, named for a process that is gone
    local folder
    for folder in "$1"/boot.sh.*; do
        [[ ! -d $folder || -e /proc/${folder##*.} ]] || find "$folder" -depth -type d -exec rmdir {} +
    done 2>/dev/null
}

inside() { # SECONDS COMMAND...: in the booted system; only in a subshell
    echo "$BASHPID" >"$group/command.scope/cgroup.procs"
    # -F: an nsenter that forks would stop along with a child that is stopped, for ever
    exec timeout -k 2 "$1" nsenter -F -t "$pid" -m -u -i -p -C -- \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LANG=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0 \
        /bin/bash -c 'cd / && "$@"; exit $?' - "${@:2}"
}

has_booted() {
    local name state
    # before its pivot_root a systemctl there would ask the host's systemd
    read -r name <"/proc/$pid/comm" && [[ $name == systemd ]] || return
    state=$(inside 5 systemctl is-system-running 2>/dev/null)
    [[ $state == running || $state == degraded ]]
}

if [[ ${1-} == --as-pid-1 ]]; then
    shift
    become_systemd "$@"
fi

all=("$@") limit=120 binds=()
while (($#)); do
    case $1 in
        --bind-ro) binds+=("$(realpath -e "${2%%:*}")" "${2#*:}") || exit 2; shift 2 ;;
        --timeout) limit=$2; shift 2 ;;
        --probe) missing=$(probe); [[ -z $missing ]] || { echo "$missing"; exit 77; }; exit 0 ;;
        --) shift; break ;;
        *) say "what is $1?"; exit 2 ;;
    esac
done
if [[ ! ${BOOT_SH_OWN_MOUNTS-} ]]; then # from here on no mount can be left behind
    BOOT_SH_OWN_MOUNTS=1 exec unshare --mount --propagation private -- "$BASH" "$0" "${all[@]}"
fi
unset BOOT_SH_OWN_MOUNTS

work= group= status=125
trap 'tear_down 2>/dev/null; exit $status' EXIT
trap 'status=130; exit' INT
trap 'status=143; exit' TERM HUP
sweep /tmp
work=/tmp/boot.sh.$$
mkdir -m 700 "$work" && mount -t tmpfs -o mode=755 boot.sh "$work" || exit
mkdir "$work"/{up,work,root,cgroup}
mount -t cgroup2 cgroup2 "$work/cgroup" || exit
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
sweep "$work/cgroup$own"
group=$work/cgroup${own%/}/boot.sh.$$
mkdir "$group" || exit

# The group first, so that it is the root of the cgroup namespace.
( echo "$BASHPID" >"$group/cgroup.procs" &&
  exec setpriv --pdeathsig KILL unshare --mount --propagation private --pid --uts --ipc --cgroup \
      --fork --kill-child -- "$BASH" "$0" --as-pid-1 "$work" "${binds[@]}" ) &
booting=$!
until [[ -s $work/pid ]]; do
    kill -0 $booting || exit
    sleep 0.02
done
read -r pid <"$work/pid"
mkdir "$group/command.scope"
until has_booted; do
    kill -0 $booting || exit
    ((SECONDS < limit)) || { status=124; exit; }
    sleep 0.03
done
inside $((limit - SECONDS)) "$@" <&0 & # in the background, for a signal to be heard at once
wait $!
status=$?
