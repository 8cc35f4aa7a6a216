/* mmap, munmap, mprotect, mremap, brk and their relatives: the rules at the edges. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "check.h"

enum { PAGE = 4096 };
enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static sigjmp_buf out;
static void leaving(int signo) { siglongjmp(out, 1); }
static int readable(volatile char *at) { return sigsetjmp(out, 1) ? 0 : (*at, 1); }
static int writable(volatile char *at) { return sigsetjmp(out, 1) ? 0 : (*at = *at, 1); }

static char *area(size_t pages) { return mmap(NULL, pages * PAGE, RW, ANON, -1, 0); }

static void mapping_errors(void)
{
    char *at = area(4);
    CHECK_ERRNO(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERRNO(mmap(at + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_mmap, NULL, PAGE, RW, MAP_PRIVATE, 0, 5), EINVAL);
    CHECK_ERRNO(mmap(NULL, (size_t)-PAGE, RW, ANON, -1, 0), ENOMEM);
    CHECK_ERRNO(mmap(NULL, 1ul << 60, RW, ANON, -1, 0), ENOMEM);
    CHECK_ERRNO(mmap(at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK_ERRNO(mmap((void *)(1ul << 60), PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
    CHECK(mmap((void *)(1ul << 60), PAGE, RW, ANON, -1, 0) != MAP_FAILED, 1); /* a hint only */
    CHECK_ERRNO(munmap(at + 1, PAGE), EINVAL);
    CHECK_ERRNO(munmap(at, 0), EINVAL);
    CHECK_ERRNO(munmap((void *)(1ul << 60), PAGE), EINVAL);
    CHECK(munmap(at, 4 * PAGE), 0);
    CHECK(munmap(at, 4 * PAGE), 0); /* nothing there: fine */
}

static void nothing_is_mapped_of_no_file(void)
{
    CHECK_ERRNO(mmap(NULL, 0, PROT_WRITE, MAP_SHARED, 99, 0), EBADF);
    CHECK_ERRNO(mmap(NULL, 0, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
}

static void fixed_replaces_and_splits(void)
{
    char *at = area(5);
    memset(at, 'x', 5 * PAGE);
    CHECK(mmap(at + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0), at + 2 * PAGE);
    CHECK(at[2 * PAGE - 1], 'x');
    CHECK(at[2 * PAGE], 0);
    CHECK(at[3 * PAGE], 'x');
    CHECK(munmap(at + 3 * PAGE, PAGE), 0);
    CHECK(readable(at + 3 * PAGE), 0);
    CHECK(readable(at + 4 * PAGE), 1);
    CHECK(mmap(at, 5 * PAGE, RW, ANON | MAP_FIXED, -1, 0), at); /* over the gap */
    CHECK(at[4 * PAGE], 0);
    CHECK(munmap(at, 5 * PAGE), 0);
}

static void hints_are_taken_if_free(void)
{
    char *at = area(2);
    munmap(at, 2 * PAGE);
    CHECK(mmap(at, PAGE, RW, ANON, -1, 0), at);
    CHECK(mmap(at, PAGE, RW, ANON, -1, 0) != at, 1);
    CHECK(munmap(at, PAGE), 0);
}

static void protection(void)
{
    char *at = area(4);
    CHECK(mprotect(at + PAGE, PAGE, PROT_NONE), 0);
    CHECK(readable(at), 1);
    CHECK(readable(at + PAGE), 0);
    CHECK(mprotect(at + PAGE, PAGE, PROT_READ), 0);
    CHECK(readable(at + PAGE), 1);
    CHECK(writable(at + PAGE), 0);
    CHECK(mprotect(at, 1, PROT_READ | PROT_EXEC), 0);
    CHECK(readable(at), 1);
    CHECK(writable(at), 0);
    CHECK(mprotect(at, 0, PROT_NONE), 0);
    CHECK_ERRNO(mprotect(at + 1, PAGE, RW), EINVAL);
    CHECK_ERRNO(mprotect(at, PAGE, 0x1000), EINVAL);
    munmap(at + 2 * PAGE, PAGE);
    CHECK_ERRNO(mprotect(at, 4 * PAGE, RW), ENOMEM);
    CHECK(writable(at), 1); /* up to the gap it was done */
    CHECK_ERRNO(mprotect(at + 2 * PAGE, PAGE, RW), ENOMEM);
    munmap(at, 4 * PAGE);
}

static void remapping(void)
{
    char *at = area(8), *to;
    at[0] = 'a', at[PAGE] = 'b';
    munmap(at + 4 * PAGE, 4 * PAGE);
    CHECK(mremap(at, 4 * PAGE, 2 * PAGE, 0), at);
    CHECK(readable(at + 3 * PAGE), 0);
    to = mremap(at, 2 * PAGE, 3 * PAGE, 0);
    CHECK(to, at);
    mmap(at + 3 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CHECK_ERRNO(mremap(at, 3 * PAGE, 5 * PAGE, 0), ENOMEM);
    to = mremap(at, 3 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(to != MAP_FAILED && to != at, 1);
    CHECK(to[0] == 'a' && to[PAGE] == 'b' && to[63 * PAGE] == 0, 1);
    CHECK(readable(at), 0);
    char *target = area(4);
    target[0] = 't';
    CHECK(mremap(to, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
    CHECK(target[0], 'a');
    CHECK(target[2 * PAGE], 0);
    CHECK(readable(to), 0);
    CHECK_ERRNO(mremap(to, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    CHECK_ERRNO(mremap(target + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EINVAL);
    CHECK_ERRNO(mremap(target, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
    CHECK_ERRNO(mremap(target, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + PAGE), EINVAL);
}

static void the_break_moves(void)
{
    char *start = sbrk(0), *more;
    more = sbrk(100000);
    CHECK(more, start);
    memset(more, 1, 100000);
    CHECK(sbrk(0), start + 100000);
    CHECK(brk(start), 0);
    CHECK((char *)sbrk(0), start);
    uintptr_t end = ((uintptr_t)start + 3 * PAGE) & -PAGE;
    CHECK(readable((char *)end + PAGE), 0);
    CHECK(sbrk(10 * PAGE), start);
    CHECK(*((char *)end + PAGE), 0); /* fresh pages */
    brk(start);
    CHECK(syscall(SYS_brk, 0), start);
    CHECK(syscall(SYS_brk, 1ul << 60), start);
    CHECK(syscall(SYS_brk, 4096), start);
}

static void advice_and_residence(void)
{
    char *at = area(4);
    unsigned char in_core[4];
    memset(at, 'y', 4 * PAGE);
    CHECK(mincore(at, 4 * PAGE, in_core), 0);
    CHECK(in_core[0] & 1, 1);
    CHECK(madvise(at, PAGE, MADV_DONTNEED), 0);
    CHECK(at[0], 0);
    CHECK(at[PAGE], 'y');
    munmap(at + 2 * PAGE, PAGE);
    CHECK_ERRNO(madvise(at, 4 * PAGE, MADV_DONTNEED), ENOMEM);
    CHECK(at[3 * PAGE], 0); /* also behind the gap */
    CHECK_ERRNO(madvise(at + 1, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_ERRNO(madvise(at, PAGE, 12345), EINVAL);
    CHECK_ERRNO(mincore(at, 4 * PAGE, in_core), ENOMEM);
    CHECK_ERRNO(msync(at + 2 * PAGE, PAGE, MS_SYNC), ENOMEM);
    CHECK_ERRNO(mlock(at + 2 * PAGE, PAGE), ENOMEM);
    CHECK(msync(at, PAGE, MS_ASYNC), 0);
}

static void files_are_shared(void)
{
    char name[] = "/tmp/mapXXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    ftruncate(fd, 2 * PAGE);
    char *shared = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0),
         *second = mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE);
    char *private = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), byte;
    shared[PAGE + 5] = 'q';
    CHECK(second[5], 'q');
    pread(fd, &byte, 1, PAGE + 5);
    CHECK(byte, 'q');
    private[0] = 'p';
    CHECK(shared[0], 0);
    int readonly = open("/proc/self/exe", O_RDONLY);
    CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_SHARED, readonly, 0), EACCES);
    close(fd);
    close(readonly);
}

static void segments_attach(void)
{
    int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);
    struct shmid_ds info;
    char *at = shmat(id, NULL, 0), *again = shmat(id, NULL, SHM_RDONLY);
    CHECK(at != (char *)-1, 1);
    at[5] = 'm';
    CHECK(again[5], 'm');
    CHECK(writable(again), 0);
    CHECK(shmctl(id, IPC_STAT, &info), 0);
    CHECK(info.shm_nattch, 2);
    CHECK(info.shm_segsz, 3 * PAGE);
    CHECK(shmctl(id, IPC_RMID, NULL), 0);
    CHECK(shmdt(at), 0);
    CHECK(readable(at), 0);
    CHECK_ERRNO(shmdt(at), EINVAL);
    CHECK(mprotect(again, PAGE, PROT_NONE), 0);
    CHECK(shmdt(again), 0);
}

#ifdef __aarch64__
static const unsigned int return_7[] = {0x528000e0, 0xd65f03c0}, return_9[] = {0x52800120, 0xd65f03c0};
#else
static const unsigned char return_7[] = {0xb8, 7, 0, 0, 0, 0xc3}, return_9[] = {0xb8, 9, 0, 0, 0, 0xc3};
#endif

/* Code that is written, replaced, protected and mapped over runs as it is now. */
static void code_comes_and_goes(void)
{
    char *at = mmap(NULL, PAGE, RW | PROT_EXEC, ANON, -1, 0);
    int (*function)(void) = (int (*)(void))at;
    for (int i = 0; i < 100; i++) {
        memcpy(at, return_7, sizeof return_7);
        __builtin___clear_cache(at, at + sizeof return_7);
        CHECK(function(), 7);
        memcpy(at, return_9, sizeof return_9);
        __builtin___clear_cache(at, at + sizeof return_9);
        CHECK(function(), 9);
    }
    mprotect(at, PAGE, RW);
    CHECK(sigsetjmp(out, 1) ? 0 : function(), 0);
    memcpy(at, return_7, sizeof return_7);
    __builtin___clear_cache(at, at + sizeof return_7);
    mprotect(at, PAGE, PROT_EXEC | PROT_READ);
    CHECK(function(), 7);
    char *other = mmap(at, PAGE, RW | PROT_EXEC, ANON | MAP_FIXED, -1, 0);
    memcpy(other, return_9, sizeof return_9);
    __builtin___clear_cache(other, other + sizeof return_9);
    CHECK(function(), 9);
    /* a second view of the same memory, as JITs do it */
    int memory = memfd_create("code", 0);
    ftruncate(memory, PAGE);
    char *write_view = mmap(NULL, PAGE, RW, MAP_SHARED, memory, 0);
    char *run_view = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, memory, 0);
    for (int i = 0; i < 10; i++) {
        memcpy(write_view, i % 2 ? (void *)return_7 : (void *)return_9, sizeof return_7);
        __builtin___clear_cache(run_view, run_view + sizeof return_7);
        CHECK(((int (*)(void))run_view)(), i % 2 ? 7 : 9);
    }
    munmap(run_view, PAGE);
    CHECK(sigsetjmp(out, 1) ? 0 : ((int (*)(void))run_view)(), 0);
}

static long locked_kb(void)
{
    char line[256];
    long kb = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmLck: %ld", &kb);
    if (file)
        fclose(file);
    return kb;
}

static void all_is_locked(void *unused)
{
    CHECK_ERRNO(mlockall(0), EINVAL);
    CHECK_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
    CHECK_ERRNO(mlockall(64), EINVAL);
    char *before = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
    unsigned char there[64] = {0};
    if (mlockall(MCL_CURRENT | MCL_FUTURE)) /* the limit may be low */
        return;
    long kb = locked_kb();
    CHECK(kb >= 64 * 4, 1);
    CHECK(kb < 30000, 1); /* the program, not what runs it */
    CHECK(mincore(before, 64 * PAGE, there), 0);
    CHECK(there[40] & 1, 1);
    char *later = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
    CHECK(locked_kb() - kb, 64 * 4);
    CHECK(mincore(later, 64 * PAGE, there), 0);
    CHECK(there[40] & 1, 1);
    pid_t pid = fork();
    if (pid == 0)
        _exit(locked_kb() != 0 || mmap(NULL, PAGE, RW, ANON, -1, 0) == MAP_FAILED || locked_kb() != 0);
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(status, 0);
    CHECK(munlockall(), 0);
    CHECK(locked_kb(), 0);
    mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
    CHECK(locked_kb(), 0);
}

int main(void)
{
    CHECK(in_child(all_is_locked, NULL), 0);
    signal(SIGSEGV, leaving);
    signal(SIGBUS, leaving);
    mapping_errors();
    nothing_is_mapped_of_no_file();
    fixed_replaces_and_splits();
    hints_are_taken_if_free();
    protection();
    remapping();
    the_break_moves();
    advice_and_residence();
    files_are_shared();
    segments_attach();
    code_comes_and_goes();
    return check_end();
}
