/* /proc/self/maps of the guest: the host's lines, cut to the guest's ranges and with the guest's right to
 * execute. */
#include <xemu/guestmem.h>
#include <xemu/loader.h>
#include <xemu/sys.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc.h"
#include "task.h"

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
static void add_smaps_row(struct text *text, const struct mapping *map, const char *row)
{
    uint64_t bytes = map->end - map->start;
    char name[32], unit[4] = "";
    uint64_t kb;
    if (!strncmp(row, "VmFlags:", 8)) {
        text_add(text, "VmFlags:%s%s%s%s\n", map->perms[0] == 'r' ? " rd" : "",
                 map->perms[1] == 'w' ? " wr" : "", map->perms[2] == 'x' ? " ex" : "",
                 guest_range_guarded(map->start) ? " bt" : "");
        return; /* the others speak of what the host may do */
    }
    if (!strncmp(row, "ProtectionKey:", 14)) /* ARM64 hasn't got them */
        return;
    if (sscanf(row, "%31s %" SCNu64 " %3s", name, &kb, unit) < 2)
        return;
    bool whole = map->host_bytes == bytes || strstr(name, "PageSize") || strcmp(unit, "kB");
    if (!strcmp(name, "Size:"))
        kb = bytes / 1024;
    else if (!whole)
        kb = kb / 4 * bytes / map->host_bytes * 4;
    text_add(text, "%-15s %8" PRIu64 "%s%s\n", name, kb, *unit ? " " : "", unit);
}

static void add_mapping(const struct mapping *map, void *arg)
{
    struct text *text = arg;
    int before = (int)text->length;
    text_add(text, "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %s %" PRIu64 " ", map->start, map->end,
             map->perms, map->offset, map->device, map->inode);
    int pad = 73 - ((int)text->length - before); /* the kernel's column for names */
    if (*map->name)
        text_add(text, "%*s%s", pad > 0 ? pad : 0, "", map->name);
    text_add(text, "\n");
    for (const char *row = map->rows; row && *row; row = strchr(row, '\n') + 1)
        add_smaps_row(text, map, row);
}

/* ---- visiting ---- */

struct visitor {
    void (*visit)(const struct mapping *map, void *arg);
    void *arg;
};

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

static void visit_guest_parts(const struct visitor *visitor, const struct mapping *host)
{
    uint64_t start = host->start, end;
    while (start < host->end && guest_range_next(&start, &end) && start < host->end) {
        struct mapping part = *host;
        part.start = start;
        part.end = cut(start, end < host->end ? end : host->end);
        part.offset = host->inode ? host->offset + (start - host->start) : 0;
        int prot = guest_range_prot(start);
        if (!(prot & PROT_READ)) /* the host reads what the guest executes */
            part.perms[0] = '-';
        part.perms[2] = prot & PROT_EXEC ? 'x' : '-';
        part.name = name_of(host, start);
        part.host_bytes = host->end - host->start;
        visitor->visit(&part, visitor->arg);
        start = part.end;
    }
}

/* All of a host's file, terminated. 0 or -errno. Without stdio, whose locks a fork's child may find taken. */
static int read_file(const char *path, struct text *text)
{
    char chunk[16384];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 0;
    while (fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0)
        text_add_bytes(text, chunk, (size_t)got);
    int error = got < 0 ? -errno : text->error;
    if (fd >= 0)
        close(fd);
    text_add_bytes(text, "", 1);
    return error ? error : text->error;
}

/* Visits the parts of the mapping whose line is `header`; rows, if any, are between it and `end`. */
static void visit_host_mapping(const struct visitor *visitor, char *header, char *end)
{
    struct mapping map = {0};
    char *rows = strchr(header, '\n'), behind = *end;
    *end = '\0';
    if (parse(header, &map)) {
        map.rows = rows ? rows + 1 : NULL;
        visit_guest_parts(visitor, &map);
    }
    *end = behind;
}

/* The line behind the one at `line`. */
static char *next_line(char *line)
{
    char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

int maps_visit(enum proc_file file, void (*visit)(const struct mapping *map, void *arg), void *arg)
{
    struct visitor visitor = {visit, arg};
    struct text host = {0};
    int error = read_file(file == PROC_SMAPS ? "/proc/self/smaps" : "/proc/self/maps", &host);
    for (char *header = host.at, *next; !error && *header; header = next) {
        next = next_line(header);
        while (*next >= 'A' && *next <= 'Z')
            next = next_line(next);
        visit_host_mapping(&visitor, header, next);
    }
    free(host.at);
    return error;
}

void proc_maps(struct text *text, enum proc_file file)
{
    int error = maps_visit(file, add_mapping, text);
    if (error == -ENOMEM) /* without /proc there is nothing to say */
        text->error = error;
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
