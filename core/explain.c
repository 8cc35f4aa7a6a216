/* --explain: the blocks of one function, each guest instruction beside its IR and its host code, with how
 * often it ran. Which file's code the function is in is found out when the first block of each file is
 * compiled; what is written at the end was kept when it was compiled, so that it is there even if the guest
 * has unmapped its code. */
#include <xemu/explain.h>
#include "columns.h"
#include "crash.h"

#include <xemu/guestmem.h>
#include <xemu/loader.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/profile.h>
#include <xemu/sys.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANGES_MAX = 16 };

/* A file whose code has run, and where in it the function is. */
struct object {
    uint64_t id; /* of struct code_place */
    size_t count;
    struct elf_range ranges[RANGES_MAX];
};

static struct {
    pthread_mutex_t lock;
    struct object *objects;
    size_t object_count;
    bool resolved;       /* the address's function is... */
    uint64_t start, end; /* ...here; end is 0 where no symbol tells, and `start` is the address itself */
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool explain_on(void) { return options.explain && options.started == getpid(); }

static bool by_address(void) { return strncmp(options.explain, "0x", 2) == 0; }

/* --- which code --------------------------------------------------------------------------------------- */

/* The file that is mapped at pc, into *place, and where in it pc is. */
static bool find_file(uint64_t pc, struct place *place, uint64_t *offset)
{
    char *maps = sys_guest_maps();
    bool found = maps && place_find(maps, pc, place) && place->file[0] == '/';
    *offset = found ? place->offset + (pc - place->start) : 0;
    free(maps);
    return found;
}

/* With the lock held. Null when out of memory. */
static const struct object *object_at(uint64_t pc, const struct code_place *at)
{
    static struct place place;
    uint64_t offset;
    for (size_t i = 0; i < known.object_count; i++)
        if (known.objects[i].id == at->object)
            return &known.objects[i];
    struct object *more = realloc(known.objects, (known.object_count + 1) * sizeof *more);
    if (!more)
        return NULL;
    known.objects = more;
    struct object *object = &more[known.object_count++];
    *object = (struct object){.id = at->object};
    if (find_file(pc, &place, &offset))
        object->count = elf_find_function(place.file, options.explain, object->ranges, RANGES_MAX);
    return object;
}

static bool wants_by_name(uint64_t pc)
{
    struct code_place at;
    bool wanted = false;
    if (!guest_code_place(pc, &at))
        return false;
    pthread_mutex_lock(&known.lock);
    const struct object *object = object_at(pc, &at);
    for (size_t i = 0; object && i < object->count && !wanted; i++)
        wanted = at.offset >= object->ranges[i].start && at.offset < object->ranges[i].end;
    pthread_mutex_unlock(&known.lock);
    return wanted;
}

/* With the lock held; the address is mapped. */
static void resolve(uint64_t address)
{
    static struct place place;
    static struct elf_symbol symbol;
    struct elf_range ranges[RANGES_MAX];
    uint64_t offset;
    known.resolved = true;
    known.start = address;
    if (!find_file(address, &place, &offset) || !elf_find_symbol(place.file, offset, &symbol))
        return;
    size_t count = elf_find_function(place.file, symbol.name, ranges, RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (offset < ranges[i].start || offset >= ranges[i].end)
            continue;
        known.start = address - (offset - ranges[i].start);
        known.end = known.start + (ranges[i].end - ranges[i].start);
    }
}

static bool wants_by_address(uint64_t pc)
{
    uint64_t address = strtoull(options.explain, NULL, 16);
    pthread_mutex_lock(&known.lock);
    if (!known.resolved && guest_range_executable(address, address + 4))
        resolve(address);
    bool in_function = pc >= known.start && pc < known.end;
    bool may_reach_it = !known.end && pc <= address && address - pc < 4 * PROFILE_INSNS;
    bool wanted = known.resolved && (in_function || may_reach_it);
    pthread_mutex_unlock(&known.lock);
    return wanted;
}

bool explain_wants(uint64_t pc) { return by_address() ? wants_by_address(pc) : wants_by_name(pc); }

/* --- writing ------------------------------------------------------------------------------------------ */

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

static void print_block(FILE *out, const struct block_profile *profile)
{
    putc('\n', out);
    columns_print(out, &(struct columns){
                           .pc = profile->pc,
                           .count = profile->code.count,
                           .words = profile->words,
                           .ir = profile->ir,
                           .host = {profile->host, profile->host_bytes, profile->host_at, &profile->code},
                           .runs = profile,
                       });
}

/* By address; a block that was compiled again behind its older code. */
static int by_pc(const void *a, const void *b)
{
    const struct block_profile *x = *(struct block_profile *const *)a, *y = *(struct block_profile *const *)b;
    return x->pc != y->pc ? (x->pc > y->pc) - (x->pc < y->pc)
                          : (x->host_at > y->host_at) - (x->host_at < y->host_at);
}

static bool is_shown(const struct block_profile *profile)
{
    return profile->ir && (!by_address() || known.end || profile->pc + 4 * profile->code.count > known.start);
}

static const struct block_profile **sorted_blocks(size_t *count)
{
    size_t n = 0;
    const struct block_profile *newest = profile_first();
    for (const struct block_profile *profile = newest; profile; profile = profile->next)
        n += is_shown(profile);
    const struct block_profile **blocks = calloc(n + 1, sizeof *blocks);
    *count = 0;
    for (const struct block_profile *profile = newest; blocks && profile; profile = profile->next)
        if (is_shown(profile))
            blocks[(*count)++] = profile;
    if (blocks)
        qsort(blocks, *count, sizeof *blocks, by_pc);
    return blocks;
}

static void complain(void)
{
    size_t functions = 0;
    for (size_t i = 0; i < known.object_count; i++)
        functions += known.objects[i].count;
    if (options.engine == ENGINE_INTERP || options.engine == ENGINE_IR)
        log_printf("xemu: --explain=%s: there is compiled code with --engine=auto and jit only\n",
                   options.explain);
    else if (by_address())
        log_printf("xemu: --explain=%s: no code ran at this address\n", options.explain);
    else if (functions)
        log_printf("xemu: --explain=%s: this function never ran\n", options.explain);
    else
        log_printf(
            "xemu: --explain=%s: no function of this name in the %zu files whose code ran, %s among them\n",
            options.explain, known.object_count, sys_guest_path());
}

static void print_all(FILE *out, const struct block_profile **blocks, size_t count)
{
    uint64_t instructions = 0;
    for (size_t i = 0; i < count; i++)
        for (unsigned n = 0; n < blocks[i]->code.count; n++)
            instructions += profile_runs(blocks[i], n);
    fprintf(out,
            "xemu: --explain=%s: %zu block%s, %lu instructions run; code that counts them is not shown\n",
            options.explain, count, plural(count), instructions);
    for (size_t i = 0; i < count; i++)
        print_block(out, blocks[i]);
}

void explain_write(void)
{
    char *text = NULL;
    size_t count, size = 0;
    if (!explain_on())
        return;
    const struct block_profile **blocks = sorted_blocks(&count);
    FILE *out = blocks && count ? open_memstream(&text, &size) : NULL;
    if (out) {
        print_all(out, blocks, count);
        fclose(out);
        log_write(text, size);
    } else {
        complain();
    }
    free(text);
    free(blocks);
}
