/* Every difference between the system call ABIs of ARM64 and x86-64 Linux, apart from the numbers. Both are
 * LP64 and little-endian, so that nearly all structures are the same; tests/guest/abi.c holds the proof. */
#ifndef SYSCALL_ABI_H
#define SYSCALL_ABI_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Calls that are newer than the C library's headers; from 424 on all architectures share the numbers. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake    454
#define SYS_futex_wait    455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_statmount
#define SYS_statmount         457
#define SYS_listmount         458
#define SYS_lsm_get_self_attr 459
#define SYS_lsm_set_self_attr 460
#define SYS_lsm_list_modules  461
#endif
#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat    463
#define SYS_getxattrat    464
#define SYS_listxattrat   465
#define SYS_removexattrat 466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif

/* Open flags. Four bits trade places; O_TMPFILE contains O_DIRECTORY. */
enum {
    ARM64_O_DIRECTORY = 040000,
    ARM64_O_NOFOLLOW = 0100000,
    ARM64_O_DIRECT = 0200000,
    ARM64_O_LARGEFILE = 0400000,
    HOST_O_DIRECT = 040000,
    HOST_O_LARGEFILE = 0100000,
    HOST_O_DIRECTORY = 0200000,
    HOST_O_NOFOLLOW = 0400000,
    O_TRADED = 0740000, /* the same four places on both sides */
};

static inline uint64_t host_open_flags(uint64_t flags)
{
    return (flags & ~(uint64_t)O_TRADED) | (flags & ARM64_O_DIRECTORY ? HOST_O_DIRECTORY : 0) |
           (flags & ARM64_O_NOFOLLOW ? HOST_O_NOFOLLOW : 0) | (flags & ARM64_O_DIRECT ? HOST_O_DIRECT : 0) |
           (flags & ARM64_O_LARGEFILE ? HOST_O_LARGEFILE : 0);
}

static inline uint64_t guest_open_flags(uint64_t flags)
{
    return (flags & ~(uint64_t)O_TRADED) | (flags & HOST_O_DIRECTORY ? ARM64_O_DIRECTORY : 0) |
           (flags & HOST_O_NOFOLLOW ? ARM64_O_NOFOLLOW : 0) | (flags & HOST_O_DIRECT ? ARM64_O_DIRECT : 0) |
           (flags & HOST_O_LARGEFILE ? ARM64_O_LARGEFILE : 0);
}

/* struct stat of asm-generic. */
struct arm64_stat {
    uint64_t st_dev, st_ino;
    uint32_t st_mode, st_nlink, st_uid, st_gid;
    uint64_t st_rdev, pad1;
    int64_t st_size;
    int32_t st_blksize, pad2;
    int64_t st_blocks;
    int64_t st_atime_sec, st_atime_nsec, st_mtime_sec, st_mtime_nsec, st_ctime_sec, st_ctime_nsec;
    uint32_t unused[2];
};
_Static_assert(sizeof(struct arm64_stat) == 128, "asm-generic/stat.h");

static inline struct arm64_stat guest_stat(const struct stat *host)
{
    return (struct arm64_stat){
        .st_dev = host->st_dev,
        .st_ino = host->st_ino,
        .st_mode = host->st_mode,
        .st_nlink = (uint32_t)host->st_nlink,
        .st_uid = host->st_uid,
        .st_gid = host->st_gid,
        .st_rdev = host->st_rdev,
        .st_size = host->st_size,
        .st_blksize = (int32_t)host->st_blksize,
        .st_blocks = host->st_blocks,
        .st_atime_sec = host->st_atim.tv_sec,
        .st_atime_nsec = host->st_atim.tv_nsec,
        .st_mtime_sec = host->st_mtim.tv_sec,
        .st_mtime_nsec = host->st_mtim.tv_nsec,
        .st_ctime_sec = host->st_ctim.tv_sec,
        .st_ctime_nsec = host->st_ctim.tv_nsec,
    };
}

/* struct epoll_event: packed to 12 bytes on x86-64, aligned to 16 elsewhere. */
struct arm64_epoll_event {
    uint32_t events, pad;
    uint64_t data;
};
struct host_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct arm64_epoll_event) == 16 && sizeof(struct host_epoll_event) == 12, "epoll.h");

/* struct semid64_ds: x86-64 kept room for wider times. */
struct ipc64_perm {
    int32_t key;
    uint32_t uid, gid, cuid, cgid, mode;
    uint16_t seq, pad2;
    uint32_t pad3;
    uint64_t unused1, unused2;
};
struct arm64_semid {
    struct ipc64_perm perm;
    int64_t otime, ctime;
    uint64_t nsems, unused3, unused4;
};
struct host_semid {
    struct ipc64_perm perm;
    int64_t otime;
    uint64_t unused1;
    int64_t ctime;
    uint64_t unused2, nsems, unused3, unused4;
};
_Static_assert(sizeof(struct ipc64_perm) == 48 && sizeof(struct arm64_semid) == 88, "asm-generic/sembuf.h");
_Static_assert(sizeof(struct host_semid) == 104, "x86 asm/sembuf.h");

/* mmap flags that only x86-64 knows and ARM64 ignores: MAP_32BIT, MAP_ABOVE4G. */
enum { HOST_MAP_ONLY = 0x40 | 0x80 };

/* A protection bit that only ARM64 knows; the other one is GUEST_PROT_BTI. */
enum { ARM64_PROT_MTE = 0x20 };

/* Signals. Numbers, siginfo_t, sigset and stack_t are the same; so are the flags, but ARM64
 * needs no restorer. */
enum { NSIG64 = 64, KERNEL_SA_RESTORER = 0x04000000, SS_AUTODISARM_FLAG = (int)(1u << 31) };

struct arm64_sigaction {
    uint64_t handler; /* 0: SIG_DFL, 1: SIG_IGN */
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};
struct host_sigaction { /* x86-64's, as rt_sigaction takes it */
    uint64_t handler, flags, restorer, mask;
};

struct arm64_stack {
    uint64_t sp;
    int32_t flags;
    uint32_t pad;
    uint64_t size;
};
enum { ARM64_MINSIGSTKSZ = 5120 };

/* The signal frame (arch/arm64 signal.h, sigcontext.h, ucontext.h of the kernel's user API). */
enum {
    FPSIMD_MAGIC = 0x46508001,
    ESR_MAGIC = 0x45535201,
    EXTRA_MAGIC = 0x45585401,
    SIGCONTEXT_RESERVED = 4096,
};
struct arm64_ctx {
    uint32_t magic, size;
};
struct arm64_fpsimd {
    struct arm64_ctx head;
    uint32_t fpsr, fpcr;
    unsigned __int128 v[32];
};
struct arm64_esr {
    struct arm64_ctx head;
    uint64_t esr;
};
struct arm64_sigcontext {
    uint64_t fault_address;
    uint64_t regs[31];
    uint64_t sp, pc, pstate;
    uint8_t reserved[SIGCONTEXT_RESERVED] __attribute__((aligned(16)));
};
struct arm64_ucontext {
    uint64_t flags, link;
    struct arm64_stack stack;
    uint64_t sigmask;
    uint8_t unused[120];
    struct arm64_sigcontext mcontext;
};
struct arm64_rt_sigframe {
    uint8_t info[128];
    struct arm64_ucontext uc;
};
_Static_assert(sizeof(struct arm64_fpsimd) == 528, "struct fpsimd_context");
_Static_assert(sizeof(struct arm64_rt_sigframe) == 4688, "struct rt_sigframe");

/* clone: x86-64 has the last two arguments the other way round. */
struct clone_args64 {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
        cgroup;
};

#endif
