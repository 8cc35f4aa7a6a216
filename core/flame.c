/* --flame: samples of the guest's threads, and what becomes of them when the process ends.
 *
 * The sampler knows how much CPU time a thread has had, but not where it is; the thread itself is asked by a
 * signal that the guest never sees (syscall/sample.c). Only a thread that runs is asked: a call that sleeps in
 * the kernel is not interrupted. The handler stores addresses; names are found at the end. */
#include <xemu/flame.h>
#include "flame.h"

#include <xemu/cpu.h>
#include <xemu/guestmem.h>
#include <xemu/jit.h>
#include <xemu/loader.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/report.h>
#include <xemu/sampler.h>
#include <xemu/sys.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CALLERS_MAX = 200, CHUNK = 256 /* words of the stack that are read at once */ };

/* Enough for a thread's samples of an hour; what is not used costs nothing. */
static const size_t BUFFER_SIZE = (size_t)1 << 30;

static struct {
    uint8_t *start;
    _Atomic size_t used;
    _Atomic uint64_t lost;
} buffer;

bool flame_on(void) { return options.flame && options.started == getpid(); }

/* --- asking ------------------------------------------------------------------------------------------- */

static bool have_buffer(void)
{
    if (!buffer.start) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        buffer.start = own_map(BUFFER_SIZE, PROT_READ | PROT_WRITE, flags, -1);
    }
    return buffer.start;
}

void flame_ask(struct cpu *cpu, int tid, uint64_t ns)
{
    if (!have_buffer())
        return;
    __atomic_fetch_add(&cpu->sample_ns, ns, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&cpu->sample_asked, true, __ATOMIC_RELAXED))
        return; /* it has not answered yet: the next sample stands for both */
    if (!sys_ask_sample(cpu, tid))
        __atomic_store_n(&cpu->sample_asked, false, __ATOMIC_RELAXED);
}

/* --- answering ---------------------------------------------------------------------------------------- */

struct frame_record {
    uint64_t fp, lr;
};

/* Part of the guest's stack; the kernel reads it, so that any address may be asked for. */
struct stack_copy {
    uint64_t start;
    size_t bytes;
    uint64_t words[CHUNK];
};

static bool read_record(struct stack_copy *stack, uint64_t at, struct frame_record *record)
{
    if (at % 8 || at < stack->start || at + sizeof *record > stack->start + stack->bytes) {
        struct iovec to = {stack->words, sizeof stack->words}, from = {(void *)at, sizeof stack->words};
        size_t to_page = 4096 - at % 4096;
        if (at % 8 || at >= GUEST_END)
            return false;
        if (to_page >= sizeof *record && to_page < from.iov_len) /* the next page may not be there */
            from.iov_len = to_page;
        ssize_t got = syscall(SYS_process_vm_readv, getpid(), &to, 1, &from, 1, 0);
        stack->start = at;
        stack->bytes = got > 0 ? (size_t)got : 0;
        if (stack->bytes < sizeof *record)
            return false;
    }
    memcpy(record, (const char *)stack->words + (at - stack->start), sizeof *record);
    return true;
}

/* Without a pointer authentication code and a tag: 48 bits. */
static uint64_t code_address(uint64_t address) { return address << 16 >> 16 & ~3ull; }

static uint32_t walk(uint64_t fp, uint64_t callers[CALLERS_MAX])
{
    struct stack_copy stack = {0};
    struct frame_record record;
    uint32_t count = 0;
    while (count < CALLERS_MAX && read_record(&stack, fp, &record) && record.lr) {
        callers[count++] = code_address(record.lr);
        if (record.fp <= fp)
            break;
        fp = record.fp;
    }
    return count;
}

void flame_sample(const void *ucontext)
{
    struct cpu *cpu = this_cpu;
    uint64_t callers[CALLERS_MAX];
    int error = errno;
    if (!cpu || !flame_on())
        return;
    struct jit_sample here = ucontext ? jit_sample(cpu, ucontext) : (struct jit_sample){cpu->pc, cpu->x[29], cpu->x[30]};
    uint32_t count = walk(here.fp, callers);
    size_t bytes = sizeof(struct flame_sample) + count * sizeof *callers;
    size_t at = atomic_fetch_add(&buffer.used, bytes);
    uint64_t ns = __atomic_exchange_n(&cpu->sample_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&cpu->sample_asked, false, __ATOMIC_RELAXED);
    if (at + bytes > BUFFER_SIZE) {
        atomic_fetch_add(&buffer.lost, 1);
    } else {
        struct flame_sample *sample = (struct flame_sample *)(buffer.start + at);
        *sample = (struct flame_sample){
            .ns = ns,
            .pc = here.pc,
            .lr = code_address(here.lr),
            .part = cpu->part,
        };
        memcpy(sample->callers, callers, count * sizeof *callers);
        __atomic_store_n(&sample->count, count + 1, __ATOMIC_RELEASE); /* 0: not written yet */
    }
    errno = error;
}

/* --- the tree ----------------------------------------------------------------------------------------- */

/* The node of this name below `parent`; it is made if there is none. */
static unsigned child_of(struct flame_tree *tree, unsigned parent, const char *name)
{
    unsigned child = parent < tree->count ? tree->nodes[parent].child : 0;
    while (child && strcmp(tree->nodes[child].name, name) != 0)
        child = tree->nodes[child].sibling;
    if (child)
        return child;
    if (tree->count == tree->room) {
        tree->room = tree->room ? 2 * tree->room : 1024;
        tree->nodes = realloc(tree->nodes, tree->room * sizeof *tree->nodes);
        if (!tree->nodes)
            die(1, "--flame: out of memory");
    }
    child = tree->count++;
    tree->nodes[child] = (struct flame_node){.name = name, .parent = parent};
    if (child) {
        tree->nodes[child].sibling = tree->nodes[parent].child;
        tree->nodes[parent].child = child;
    }
    return child;
}

static const char *name_of_part(uint32_t part)
{
    switch ((enum report_part)part) {
    case PART_DISPATCH:
        return "[xemu: finding code]";
    case PART_COMPILE:
        return "[xemu: compiling]";
    case PART_SYSCALL:
        return "[system calls]";
    case PART_SIGNAL:
        return "[signals]";
    case PART_FAULT:
        return "[faults]";
    default:
        return NULL;
    }
}

/* A function without a frame record has its caller in x30; one that has called another finds an address of
 * its own there. */
static bool link_is_caller(const char *maps, const struct flame_sample *sample, const char *function)
{
    bool in_record = sample->count > 1 && sample->callers[0] == sample->lr;
    return sample->lr && !in_record && strcmp(flame_name(maps, sample->lr - 4), function) != 0;
}

static void add_sample(struct flame_tree *tree, const char *maps, const struct flame_sample *sample)
{
    unsigned node = 0;
    const char *function = flame_name(maps, sample->pc), *part = name_of_part(sample->part);
    tree->nodes[0].ns += sample->ns;
    for (uint32_t i = sample->count - 1; i-- > 0;) {
        node = child_of(tree, node, flame_name(maps, sample->callers[i] - 4));
        tree->nodes[node].ns += sample->ns;
    }
    if (link_is_caller(maps, sample, function)) {
        node = child_of(tree, node, flame_name(maps, sample->lr - 4));
        tree->nodes[node].ns += sample->ns;
    }
    for (const char *name = function; name; name = name == function ? part : NULL) {
        node = child_of(tree, node, name);
        tree->nodes[node].ns += sample->ns;
    }
    tree->nodes[node].own_ns += sample->ns;
    tree->samples++;
}

static struct flame_tree make_tree(void)
{
    struct flame_tree tree = {.lost = buffer.lost};
    char *maps = sys_guest_maps();
    const char *path = sys_guest_path(), *slash = strrchr(path, '/');
    child_of(&tree, 0, slash ? slash + 1 : path);
    size_t used = buffer.used < BUFFER_SIZE ? buffer.used : BUFFER_SIZE;
    elf_keep_files(true);
    for (size_t at = 0; maps && at + sizeof(struct flame_sample) <= used;) {
        const struct flame_sample *sample = (const struct flame_sample *)(buffer.start + at);
        uint32_t count = __atomic_load_n(&sample->count, __ATOMIC_ACQUIRE);
        if (!count) /* a thread is still writing it */
            break;
        add_sample(&tree, maps, sample);
        at += sizeof *sample + (count - 1) * sizeof *sample->callers;
    }
    elf_keep_files(false);
    free(maps);
    return tree;
}

/* FILE, with the process's number for %d. */
static FILE *create_file(void)
{
    char path[4096];
    const char *mark = strstr(options.flame, "%d");
    if (mark)
        snprintf(path, sizeof path, "%.*s%d%s", (int)(mark - options.flame), options.flame, (int)getpid(),
                 mark + 2);
    else
        snprintf(path, sizeof path, "%s", options.flame);
    FILE *out = fopen(path, "we");
    if (!out)
        log_printf("xemu: --flame: cannot write %s: %s\n", path, strerror(errno));
    return out;
}

void flame_write(void)
{
    if (!flame_on())
        return;
    sampler_stop();
    usleep(2000); /* who was asked answers meanwhile */
    FILE *out = create_file();
    if (!out)
        return;
    struct flame_tree tree = make_tree();
    bool svg = strcmp(strrchr(options.flame, '.'), ".svg") == 0;
    (svg ? flame_write_svg : flame_write_folded)(out, &tree);
    if (fclose(out))
        log_printf("xemu: --flame: cannot write %s: %s\n", options.flame, strerror(errno));
    free(tree.nodes);
}
