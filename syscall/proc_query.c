/* ioctl(PROCMAP_QUERY) on /proc/self/maps: the guest's mappings, one by one. The file is one that xemu made.
 */
#include "proc.h"

#include <xemu/fault.h>

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "host.h"

/* struct procmap_query and its flags (Linux 6.11's linux/fs.h). */
struct query {
    uint64_t size, flags, addr;                               /* in */
    uint64_t start, end, vma_flags, page_size, offset, inode; /* out */
    uint32_t major, minor, name_size, build_id_size;          /* sizes: in and out */
    uint64_t name_addr, build_id_addr;                        /* in */
};
_Static_assert(sizeof(struct query) == 104, "linux/fs.h");
enum {
    READABLE = 1,
    WRITABLE = 2,
    EXECUTABLE = 4,
    SHARED = 8,
    OR_NEXT = 16,
    FILE_BACKED = 32,
    KNOWN = 63,
    PAGE = 4096,
};

struct search {
    struct query *query;
    char name[PATH_MAX];
    bool found;
};

static uint64_t flags_of(const struct mapping *map)
{
    return (map->perms[0] == 'r' ? READABLE : 0) | (map->perms[1] == 'w' ? WRITABLE : 0) |
           (map->perms[2] == 'x' ? EXECUTABLE : 0) | (map->perms[3] == 's' ? SHARED : 0);
}

static void look_at(const struct mapping *map, void *arg)
{
    struct search *search = arg;
    struct query *query = search->query;
    uint64_t flags = flags_of(map), wanted = query->flags & (READABLE | WRITABLE | EXECUTABLE | SHARED);
    bool covers = map->start <= query->addr;
    if (search->found || map->end <= query->addr || (!covers && !(query->flags & OR_NEXT)) ||
        (flags & wanted) != wanted || ((query->flags & FILE_BACKED) && !map->inode))
        return;
    search->found = true;
    query->start = map->start;
    query->end = map->end;
    query->vma_flags = flags;
    query->page_size = PAGE;
    query->offset = map->offset;
    query->inode = map->inode;
    sscanf(map->device, "%x:%x", &query->major, &query->minor);
    snprintf(search->name, sizeof search->name, "%s", map->name);
}

static int read_query(struct query *query, uint64_t addr)
{
    char all[PAGE] = {0};
    uint64_t size;
    if (guest_copy_in(&size, addr, sizeof size))
        return -EFAULT;
    if (size < offsetof(struct query, start))
        return -EINVAL;
    if (size > sizeof all)
        return -E2BIG;
    if (guest_copy_in(all, addr, size))
        return -EFAULT;
    memcpy(query, all, sizeof *query);
    for (size_t i = sizeof *query; i < size; i++) {
        if (all[i])
            return -E2BIG;
    }
    if ((query->flags & ~(uint64_t)KNOWN) || !query->name_size != !query->name_addr ||
        !query->build_id_size != !query->build_id_addr)
        return -EINVAL;
    return 0;
}

static int64_t answer(uint64_t addr)
{
    struct query query;
    struct search search = {.query = &query};
    int error = read_query(&query, addr);
    if (!error)
        error = maps_visit(PROC_MAPS, look_at, &search);
    if (error)
        return error;
    if (!search.found)
        return -ENOENT;
    size_t length = *search.name ? strlen(search.name) + 1 : 0;
    if (query.name_size) {
        if (length > query.name_size)
            return -ENAMETOOLONG;
        if (guest_copy_out(query.name_addr, search.name, length))
            return -EFAULT;
        query.name_size = (uint32_t)length;
    }
    query.build_id_size = 0; /* as of a file that has none */
    return guest_copy_out(addr, &query, query.size < sizeof query ? query.size : sizeof query);
}

int64_t proc_query(int fd, uint64_t addr)
{
    char link[32], name[64] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, name, sizeof name - 1) > 0 && !strcmp(name, "/memfd:maps (deleted)"))
        return answer(addr);
    return HOST_CALL(SYS_ioctl, (uint64_t)fd, (uint32_t)PROCMAP_QUERY_IOCTL, addr);
}
