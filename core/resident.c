/* How much memory is resident. A program that is over soon must not pay much for the answer: the kernel is asked for
 * what is there, since Linux 6.7; before, for each page where there are few, and else for its long file. */
#include "resident.h"

#include <xemu/guestmem.h>

#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* include/uapi/linux/fs.h of Linux 6.7; Debian 12's headers are older. */
struct scan_region {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
static const unsigned long SCAN = _IOWR('f', 16, struct scan);
enum { IS_PRESENT = 1 << 3 };

static uint64_t pages_all(void)
{
    char text[128];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (n <= 0)
        return 0;
    text[n] = 0;
    char *behind; /* the size */
    strtoull(text, &behind, 10);
    return strtoull(behind, NULL, 10);
}

/* False: this kernel has no such call. */
static bool scan_present(int pagemap, uint64_t start, uint64_t end, uint64_t *pages)
{
    struct scan_region found[64];
    enum { ROOM = sizeof found / sizeof *found };
    struct scan scan = {
        .size = sizeof scan,
        .start = start,
        .end = end,
        .vec = (uint64_t)found,
        .vec_len = ROOM,
        .category_mask = IS_PRESENT,
        .return_mask = IS_PRESENT,
    };
    for (int n = ROOM; n == ROOM; scan.start = scan.walk_end) {
        n = ioctl(pagemap, SCAN, &scan);
        if (n < 0)
            return false;
        for (int i = 0; i < n; i++)
            *pages += (found[i].end - found[i].start) / PAGE;
    }
    return true;
}

/* The same by the kernel's table of pages, of which it has an entry for what is not there, too. */
static bool read_present(int pagemap, uint64_t start, uint64_t end, uint64_t *pages)
{
    static uint64_t entries[512];
    for (uint64_t page = start / PAGE; page < end / PAGE;) {
        uint64_t left = end / PAGE - page, room = sizeof entries / sizeof *entries;
        ssize_t n = pread(pagemap, entries, (left < room ? left : room) * sizeof *entries, (off_t)(page * sizeof *entries));
        if (n <= 0)
            return false;
        for (size_t i = 0; i < (size_t)n / sizeof *entries; i++, page++)
            *pages += entries[i] >> 63;
    }
    return true;
}

static bool count_guest(int pagemap, bool (*count)(int, uint64_t, uint64_t, uint64_t *), uint64_t *pages)
{
    uint64_t end;
    *pages = 0;
    for (uint64_t start = 0; guest_range_next(&start, &end); start = end)
        if (!count(pagemap, start, end, pages))
            return false;
    return true;
}

static bool guest_is_little(void)
{
    enum { LITTLE = 16 << 20 };
    uint64_t size = 0, end;
    for (uint64_t start = 0; guest_range_next(&start, &end); start = end)
        size += end - start;
    return size <= LITTLE;
}

/* The kernel takes its time to write this file. */
static void read_file(uint64_t *all, uint64_t *above)
{
    char line[512];
    uint64_t start = 0, end, kib;
    bool ours = false;
    FILE *maps = fopen("/proc/self/smaps", "re");
    *all = *above = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            ours = !guest_range_contains(start, end);
        else if (sscanf(line, "Rss: %lu kB", &kib) == 1) {
            *all += kib * 1024;
            *above += ours ? kib * 1024 : 0;
        }
    }
    if (maps)
        fclose(maps);
}

void count_resident(uint64_t *all, uint64_t *above)
{
    uint64_t pages = pages_all(), guests = 0;
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool counted = pagemap >= 0 && (count_guest(pagemap, scan_present, &guests) ||
                                    (guest_is_little() && count_guest(pagemap, read_present, &guests)));
    if (pagemap >= 0)
        close(pagemap);
    if (!pages || !counted) {
        read_file(all, above);
        return;
    }
    *all = pages * PAGE;
    *above = pages > guests ? (pages - guests) * PAGE : 0;
}
