/* Names of functions for --flame and --perf: from the symbol tables of the files that the guest has mapped, and from
 * the map that a guest with a compiler of its own writes for perf. */
#include "crash.h"
#include "flame.h"

#include <xemu/loader.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/symbols.h>
#include <xemu/sys.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct named_range {
    uint64_t start, end;
    const char *name;
};

static struct ranges {
    struct named_range *at; /* ascending, apart from each other */
    size_t count, room;
} known, compiled;

static void *checked(void *memory)
{
    if (!memory)
        die(1, "names of functions: out of memory");
    return memory;
}

/* The index of the first range that ends above the address. */
static size_t place_in(const struct ranges *ranges, uint64_t address)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges->at[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *find(const struct ranges *ranges, uint64_t address)
{
    size_t i = place_in(ranges, address);
    return i < ranges->count && ranges->at[i].start <= address ? ranges->at[i].name : NULL;
}

/* Of a range that overlaps its neighbours only what is free is added. */
static void add(struct ranges *ranges, struct named_range range)
{
    size_t i = place_in(ranges, range.start);
    if (i < ranges->count && ranges->at[i].start <= range.start)
        return;
    if (i < ranges->count && ranges->at[i].start < range.end)
        range.end = ranges->at[i].start;
    if (ranges->count == ranges->room) {
        ranges->room = ranges->room ? 2 * ranges->room : 256;
        ranges->at = checked(realloc(ranges->at, ranges->room * sizeof *ranges->at));
    }
    memmove(ranges->at + i + 1, ranges->at + i, (ranges->count++ - i) * sizeof *ranges->at);
    ranges->at[i] = range;
}

/* Lines "START SIZE NAME", the former two hexadecimal; with --perf the file is xemu's own. */
static void read_perf_map(void)
{
    static bool done;
    char path[64], line[512], name[400];
    uint64_t start, size;
    if (done || options.perf != PERF_NONE)
        return;
    done = true;
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%lx %lx %399[^\n]", &start, &size, name) == 3 && size)
            add(&compiled, (struct named_range){start, start + size, checked(strdup(name))});
    if (file)
        fclose(file);
}

static char *in_brackets(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *name = NULL;
    if (file[0] == '[')
        return checked(strdup(file)); /* [stack], [vdso] */
    if (asprintf(&name, "[%s]", *file ? slash ? slash + 1 : file : "memory without a file") < 0)
        return checked(NULL);
    return name;
}

static struct named_range look_up(const char *maps, uint64_t address)
{
    static struct place place;
    static struct elf_symbol symbol;
    struct named_range range = {address, address + 4, NULL};
    if (!place_find(maps, address, &place)) {
        range.name = "[not mapped any more]";
        return range;
    }
    if (place.file[0] == '/' &&
        elf_find_symbol(place.file, place.offset + (address - place.start), &symbol)) {
        range.name = checked(strdup(symbol.name));
        if (symbol.size) {
            range.start = address - symbol.offset;
            range.end = range.start + symbol.size;
        }
        return range;
    }
    read_perf_map();
    const char *name = find(&compiled, address);
    range.name = name ? name : in_brackets(place.file);
    return range;
}

const char *flame_name(const char *maps, uint64_t address)
{
    const char *name = find(&known, address);
    if (name)
        return name;
    struct named_range range = look_up(maps, address);
    add(&known, range);
    return range.name;
}

/* --- while the guest runs ------------------------------------------------------------------------------- */

/* Within it no lock is taken but the C library's. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void symbols_learn(uint64_t pc)
{
    uint64_t offset;
    if (symbols_known(pc, &offset))
        return;
    char *maps = sys_guest_maps();
    pthread_mutex_lock(&lock);
    if (maps)
        flame_name(maps, pc);
    pthread_mutex_unlock(&lock);
    free(maps);
}

const char *symbols_known(uint64_t pc, uint64_t *offset)
{
    pthread_mutex_lock(&lock);
    size_t i = place_in(&known, pc);
    bool found = i < known.count && known.at[i].start <= pc;
    const char *name = found ? known.at[i].name : NULL;
    *offset = found ? pc - known.at[i].start : 0;
    pthread_mutex_unlock(&lock);
    return name;
}

void symbols_fork_prepare(void) { pthread_mutex_lock(&lock); }

void symbols_fork_done(void) { pthread_mutex_unlock(&lock); }
