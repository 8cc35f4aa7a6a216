/* /proc/self/maps of the guest: the host's lines, cut to the guest's ranges and with the guest's right to
 * execute. */
#include <xemu/guestmem.h>
#include <xemu/loader.h>
#include <xemu/sys.h>

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
    const char *rows; /* what smaps says of it: whole lines; null in maps */
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
    if (start == guest_image.vdso)
        return "[vdso]";
    return map->name[0] == '[' ? "" : map->name; /* the host's own heap and stack aren't the guest's */
}

/* One row of smaps below the header. The host's numbers are for its whole mapping: a part of it gets its share,
 * in whole pages. */
static void add_smaps_row(struct text *text, const struct mapping *map, uint64_t bytes, bool exec, const char *row)
{
    char name[32], unit[4] = "";
    uint64_t kb;
    if (!strncmp(row, "VmFlags:", 8)) {
        text_add(text, "VmFlags:%s%s%s\n", strstr(row, " rd ") ? " rd" : "", strstr(row, " wr ") ? " wr" : "",
                 exec ? " ex" : "");
        return; /* the others speak of what the host may do */
    }
    if (!strncmp(row, "ProtectionKey:", 14)) /* ARM64 hasn't got them */
        return;
    if (sscanf(row, "%31s %" SCNu64 " %3s", name, &kb, unit) < 2)
        return;
    bool whole = map->end - map->start == bytes || strstr(name, "PageSize") || strcmp(unit, "kB");
    if (!strcmp(name, "Size:"))
        kb = bytes / 1024;
    else if (!whole)
        kb = kb / 4 * bytes / (map->end - map->start) * 4;
    text_add(text, "%-15s %8" PRIu64 "%s%s\n", name, kb, *unit ? " " : "", unit);
}

static void add_smaps_rows(struct text *text, const struct mapping *map, uint64_t bytes, bool exec)
{
    for (const char *row = map->rows; row && *row; row = strchr(row, '\n') + 1)
        add_smaps_row(text, map, bytes, exec, row);
}

static void add_mapping(struct text *text, const struct mapping *map, uint64_t start, uint64_t end, bool exec)
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
    add_smaps_rows(text, map, end - start, exec);
}

/* The host joins anonymous neighbours that have names of their own in the guest's eyes. */
static uint64_t cut(uint64_t start, uint64_t end)
{
    uint64_t borders[] = {0, 0, guest_image.stack_low, guest_image.stack_high, guest_image.vdso,
                          guest_image.vdso + VDSO_SIZE};
    guest_brk_range(&borders[0], &borders[1]);
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++) {
        if (start < borders[i] && borders[i] < end)
            end = borders[i];
    }
    return end;
}

static void add_guest_parts(struct text *text, const struct mapping *map)
{
    uint64_t start = map->start, end;
    while (start < map->end && guest_range_next(&start, &end) && start < map->end) {
        uint64_t stop = cut(start, end < map->end ? end : map->end);
        add_mapping(text, map, start, stop, guest_range_executable(start, stop));
        start = stop;
    }
}

/* Adds what is known of the mapping that `header` is the line of, and forgets its rows. */
static void flush(struct text *text, char *header, struct text *rows)
{
    struct mapping map = {0};
    text_add_bytes(rows, "", 1);
    if (header && !rows->error && parse(header, &map)) {
        map.rows = rows->at;
        add_guest_parts(text, &map);
    }
    rows->length = 0;
}

void proc_maps(struct text *text, enum proc_file file)
{
    FILE *host = fopen(file == PROC_SMAPS ? "/proc/self/smaps" : "/proc/self/maps", "re");
    struct text rows = {0};
    char *line = NULL, *header = NULL;
    size_t size = 0;
    while (host && getline(&line, &size, host) > 0) {
        if (line[0] >= 'A' && line[0] <= 'Z') {
            text_add_bytes(&rows, line, strlen(line));
            continue;
        }
        flush(text, header, &rows);
        free(header);
        header = strdup(line);
    }
    flush(text, header, &rows);
    text->error = text->error ? text->error : rows.error;
    free(rows.at);
    free(header);
    free(line);
    if (host)
        fclose(host);
}

char *sys_guest_maps(void)
{
    struct text text = {0};
    proc_maps(&text, PROC_MAPS);
    text_add_bytes(&text, "", 1);
    if (text.error) {
        free(text.at);
        return NULL;
    }
    return text.at;
}
