/* Maps a checked ELF file into the guest's memory. */
#include "elf.h"

#include <xemu/features.h>
#include <xemu/guestmem.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Takes the whole span first, so that the segments of one file lie together and replace nothing else. */
static int64_t reserve(uint64_t addr, uint64_t length, int flags)
{
    return guest_mmap(addr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* mmap knows no alignment above a page: take more and give the rest back. */
static int64_t reserve_aligned(uint64_t hint, uint64_t length, uint64_t align)
{
    int64_t got = reserve(hint, length + align - PAGE, hint ? MAP_FIXED_NOREPLACE : 0);
    if (got < 0)
        return got;
    uint64_t start = (got + align - 1) & -align, end = start + length;
    if (start > (uint64_t)got)
        guest_munmap(got, start - got);
    if (align - PAGE > start - got)
        guest_munmap(end, align - PAGE - (start - got));
    return start;
}

static int64_t reserve_span(const struct elf_file *elf, uint64_t hint)
{
    uint64_t length = elf->high - elf->low;
    if (elf->fixed)
        return reserve(elf->low, length, MAP_FIXED_NOREPLACE);
    if (elf->align > GUEST_END - length)
        return -ENOMEM;
    int64_t got = reserve_aligned(hint, length, elf->align);
    return got < 0 && hint ? reserve_aligned(0, length, elf->align) : got;
}

/* Zeros the rest of the last file page when a bss follows. As in the kernel, a segment that may not be
 * written keeps what the file has there. No guest runs yet, so that nothing is there to catch a fault. */
static void clear_tail(const struct elf_segment *segment, uint64_t file_end)
{
    if (segment->memsz > segment->filesz && segment->prot & PROT_WRITE)
        memset((void *)file_end, 0, page_up(file_end) - file_end);
}

/* As the kernel's arch_elf_adjust_prot(). */
static int rights(const struct elf_file *elf, const struct elf_segment *segment)
{
    bool guarded = elf->guarded && feature_on[FEAT_BTI] && segment->prot & PROT_EXEC;
    return segment->prot | (guarded ? GUEST_PROT_BTI : 0);
}

/* `mapped` is the end of the pages of the segments before. */
static int map_segment(const struct elf_segment *segment, int prot, int fd, uint64_t bias, uint64_t mapped)
{
    uint64_t start = segment->vaddr + bias, lead = start % PAGE;
    uint64_t file_end = start + segment->filesz, end = page_up(start + segment->memsz);
    uint64_t zeros = segment->filesz ? page_up(file_end) : start - lead;
    if (segment->filesz) {
        int64_t got = guest_mmap(start - lead, segment->filesz + lead, prot, MAP_PRIVATE | MAP_FIXED,
                                 fd, segment->offset - lead);
        if (got < 0)
            return got;
        clear_tail(segment, file_end);
    }
    if (zeros < mapped)
        zeros = mapped;
    if (zeros >= end)
        return 0;
    int64_t got =
        guest_mmap(zeros, end - zeros, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return got < 0 ? got : 0;
}

/* Holes between segments stay free, as they do under the kernel. */
static void free_holes(const struct elf_file *elf, uint64_t bias)
{
    for (size_t i = 1; i < elf->segments; i++) {
        uint64_t start = page_up(elf->segment[i - 1].vaddr + elf->segment[i - 1].memsz);
        uint64_t end = page_down(elf->segment[i].vaddr);
        if (start < end)
            guest_munmap(start + bias, end - start);
    }
}

int elf_map(const struct elf_file *elf, int fd, uint64_t hint, struct elf_place *place)
{
    int64_t start = reserve_span(elf, hint);
    if (start < 0)
        return start;
    uint64_t bias = start - elf->low, length = elf->high - elf->low;
    uint64_t mapped = start;
    for (size_t i = 0; i < elf->segments; i++) {
        const struct elf_segment *segment = &elf->segment[i];
        int status = map_segment(segment, rights(elf, segment), fd, bias, mapped);
        if (status) {
            guest_munmap(start, length);
            return status;
        }
        mapped = page_up(segment->vaddr + segment->memsz + bias);
    }
    free_holes(elf, bias);
    *place = (struct elf_place){bias, start, start + length};
    return 0;
}
