/* /proc/self/maps of the guest: the host's lines, cut to the guest's ranges and with the guest's right to
 * execute. */
#include <xemu/guestmem.h>
#include <xemu/loader.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "task.h"

struct mapping {
    uint64_t start, end, offset;
    char perms[5];
    char device[16];
    uint64_t inode;
    const char *name; /* "" if none; into the line */
};

static bool parse(char *line, struct mapping *map)
{
    int name_at = 0;
    int got = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %15s %" SCNu64 " %n", &map->start,
                     &map->end, map->perms, &map->offset, map->device, &map->inode, &name_at);
    if (got < 6)
        return false;
    map->name = line + name_at;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static const char *name_of(const struct mapping *map, uint64_t start)
{
    uint64_t brk_start, brk_end;
    guest_brk_range(&brk_start, &brk_end);
    if (map->name[0] == '/')
        return map->name;
    if (start >= guest_image.stack_low && start < guest_image.stack_high)
        return "[stack]";
    if (start >= brk_start && start < brk_end)
        return "[heap]";
    if (guest_image.vdso && start == guest_image.vdso)
        return "[vdso]";
    return map->name[0] == '[' ? "" : map->name; /* the host's own heap and stack aren't the guest's */
}

/* smaps needs the same header and a few sums; what we don't know is zero. */
static void add_smaps_rows(struct text *text, uint64_t bytes)
{
    static const char *const zero[] = {"Shared_Clean", "Shared_Dirty", "Private_Clean",
                                       "Anonymous",    "LazyFree",     "AnonHugePages",
                                       "Swap",         "SwapPss",      "Locked"};
    uint64_t kb = bytes / 1024;
    text_add(text,
             "Size:           %8" PRIu64 " kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n",
             kb);
    text_add(text, "Rss:            %8" PRIu64 " kB\nPss:            %8" PRIu64 " kB\n", kb, kb);
    text_add(text, "Private_Dirty:  %8" PRIu64 " kB\nReferenced:     %8" PRIu64 " kB\n", kb, kb);
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        text_add(text, "%-15s %8d kB\n", zero[i], 0);
    text_add(text, "VmFlags: rd mr mw me\n");
}

static void add_mapping(struct text *text, const struct mapping *map, uint64_t start, uint64_t end, bool exec,
                        enum proc_file file)
{
    uint64_t offset = map->inode ? map->offset + (start - map->start) : 0;
    int before = (int)text->length;
    text_add(text, "%08" PRIx64 "-%08" PRIx64 " %.2s%c%c %08" PRIx64 " %s %" PRIu64 " ", start, end,
             map->perms, exec ? 'x' : '-', map->perms[3], offset, map->device, map->inode);
    const char *name = name_of(map, start);
    int pad = 73 - ((int)text->length - before); /* the kernel's column for names */
    if (*name)
        text_add(text, "%*s%s", pad > 0 ? pad : 0, "", name);
    text_add(text, "\n");
    if (file == PROC_SMAPS)
        add_smaps_rows(text, end - start);
}

/* The host joins anonymous neighbours that have names of their own in the guest's eyes. */
static uint64_t cut(uint64_t start, uint64_t end)
{
    uint64_t borders[4] = {0, 0, guest_image.stack_low, guest_image.stack_high};
    guest_brk_range(&borders[0], &borders[1]);
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++) {
        if (start < borders[i] && borders[i] < end)
            end = borders[i];
    }
    return end;
}

static void add_guest_parts(struct text *text, const struct mapping *map, enum proc_file file)
{
    uint64_t start = map->start, end;
    while (start < map->end && guest_range_next(&start, &end) && start < map->end) {
        uint64_t stop = cut(start, end < map->end ? end : map->end);
        add_mapping(text, map, start, stop, guest_range_executable(start, stop), file);
        start = stop;
    }
}

void proc_maps(struct text *text, enum proc_file file)
{
    FILE *host = fopen("/proc/self/maps", "re");
    char *line = NULL;
    size_t size = 0;
    struct mapping map;
    while (host && getline(&line, &size, host) > 0) {
        if (parse(line, &map))
            add_guest_parts(text, &map, file);
    }
    free(line);
    if (host)
        fclose(host);
}
