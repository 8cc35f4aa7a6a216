/* --perf: tells perf(1) what the code in the cache is: a map of addresses in /tmp/perf-PID.map, which `perf report`
 * reads, or /tmp/jit-PID.dump with the code itself, for `perf inject --jit` (the kernel's jitdump-specification.txt;
 * record with `perf record -k mono`). */
#include "cache.h"

#include <xemu/options.h>
#include <xemu/symbols.h>
#include <xemu/sys.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { JITDUMP_MAGIC = 0x4a695444, JITDUMP_VERSION = 1, EM_HOST = 62, JIT_CODE_LOAD = 0 };

struct dump_header {
    uint32_t magic, version, size, machine, pad, pid;
    uint64_t time, flags;
};

struct dump_load {
    uint32_t id, size;
    uint64_t time;
    uint32_t pid, tid;
    uint64_t vma, code, code_size, index;
};

static struct {
    int fd;      /* 0: none is open; -1: it cannot be opened */
    pid_t pid;   /* whose file it is */
    uint64_t index;
} output;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_output(pid_t pid)
{
    char path[64];
    bool dump = options.perf == PERF_JITDUMP;
    snprintf(path, sizeof path, dump ? "/tmp/jit-%d.dump" : "/tmp/perf-%d.map", (int)pid);
    unlink(path); /* another process of this number left it */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return -1;
    fd = sys_own_fd(fd);
    if (dump) {
        struct dump_header header = {JITDUMP_MAGIC, JITDUMP_VERSION, sizeof header, EM_HOST, 0,
                                     (uint32_t)pid, now_ns(), 0};
        /* perf learns of the file by seeing it mapped to be executed. */
        if (write(fd, &header, sizeof header) != sizeof header ||
            mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
            return -1;
    }
    return fd;
}

/* "arm64:", and the function or the address. */
static void name_block(char *name, size_t size, uint64_t pc)
{
    uint64_t offset;
    const char *function = symbols_known(pc, &offset);
    if (!function)
        snprintf(name, size, "arm64:%#lx", pc);
    else if (function[0] == '[') /* of a file that tells no more */
        snprintf(name, size, "arm64:%#lx %.*s", pc, (int)strcspn(function, "\n"), function);
    else
        snprintf(name, size, offset ? "arm64:%.200s+%#lx" : "arm64:%.200s", function, offset);
}

static void write_block(const struct jit_block *block)
{
    char name[256], line[320];
    name_block(name, sizeof name, block->pc);
    uint64_t code = (uint64_t)cache_executable(block->code);
    struct iovec parts[3] = {{NULL, 0}, {name, strlen(name) + 1}, {(void *)block->code, block->host_bytes}};
    if (options.perf == PERF_MAP) {
        int length = snprintf(line, sizeof line, "%lx %x %s\n", code, block->host_bytes, name);
        (void)!write(output.fd, line, (size_t)length);
        return;
    }
    struct dump_load load = {
        .id = JIT_CODE_LOAD,
        .size = (uint32_t)(sizeof load + parts[1].iov_len + parts[2].iov_len),
        .time = now_ns(),
        .pid = (uint32_t)output.pid,
        .tid = (uint32_t)syscall(SYS_gettid),
        .vma = code,
        .code = code,
        .code_size = block->host_bytes,
        .index = output.index++,
    };
    parts[0] = (struct iovec){&load, sizeof load};
    (void)!writev(output.fd, parts, 3);
}

void perf_learn(uint64_t pc)
{
    if (options.perf != PERF_NONE)
        symbols_learn(pc);
}

/* A child has code of its parent's: that comes first. */
static void write_inherited(const struct jit_block *newest)
{
    for (unsigned i = 0; i < cache.arena_count; i++)
        for (unsigned n = 0; n < cache.arenas[i].block_count; n++)
            if (!cache.arenas[i].blocks[n].retired && &cache.arenas[i].blocks[n] != newest)
                write_block(&cache.arenas[i].blocks[n]);
}

void perf_add(const struct jit_block *block)
{
    if (options.perf == PERF_NONE || (output.fd < 0 && output.pid == getpid()))
        return;
    if (output.pid != getpid()) {
        if (output.fd > 0)
            close(output.fd);
        output.pid = getpid();
        output.fd = open_output(output.pid);
        if (output.fd < 0)
            return;
        write_inherited(block);
    }
    write_block(block);
}
