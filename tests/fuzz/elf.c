/* libFuzzer harness: whatever the bytes, elf_read() returns, and what it accepts keeps its promises. */
#include "../../loader/elf.h"

#include <xemu/guestmem.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void expect(int condition)
{
    if (!condition)
        abort();
}

static void check_promises(const struct elf_file *elf, size_t size)
{
    uint64_t end = 0;
    expect(elf->segments > 0 && elf->low < elf->high && elf->high <= GUEST_END);
    expect(elf->low % PAGE == 0 && elf->high % PAGE == 0 && elf->align % PAGE == 0);
    for (size_t i = 0; i < elf->segments; i++) {
        const struct elf_segment *segment = &elf->segment[i];
        expect(segment->vaddr >= end && segment->memsz >= segment->filesz && segment->memsz > 0);
        end = segment->vaddr + segment->memsz;
        expect(end > segment->vaddr && segment->vaddr >= elf->low && end <= elf->high);
        if (segment->filesz)
            expect(segment->offset + segment->filesz <= size &&
                   (segment->offset ^ segment->vaddr) % PAGE == 0);
    }
    expect(elf->entry >= elf->low && elf->entry < elf->high);
    expect(strnlen(elf->interp, sizeof elf->interp) < sizeof elf->interp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct elf_file elf;
    struct elf_error error = {""};
    int fd = memfd_create("elf", 0);
    expect(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    int status = elf_read(&elf, fd, &error);
    close(fd);
    expect(status <= 0);
    if (status == 0)
        check_promises(&elf, size);
    else if (status == -ENOEXEC)
        expect(error.text[0] != 0);
    return 0;
}
