/* The note that a file's PT_GNU_PROPERTY names: a list of properties, of which one says that the code is made for
 * guarded pages. It is read as strictly as the kernel does (fs/binfmt_elf.c: what must be refused). */
#include "elf.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_MAX = 1024, ALIGN = 8 };

/* The note's header and its name, which leave the properties aligned. */
struct note {
    Elf64_Nhdr head;
    char name[4];
};
_Static_assert(sizeof(struct note) % ALIGN == 0, "properties are aligned to 8 bytes");

struct property {
    uint32_t type, size;
};

/* Walks the properties, which ascend by type. */
static bool find_features(const uint8_t *at, size_t size, uint32_t *features)
{
    struct property property;
    for (uint64_t least = 0; size; least = property.type + 1ull) {
        if (size < sizeof property)
            return false;
        memcpy(&property, at, sizeof property);
        at += sizeof property;
        size -= sizeof property;
        uint64_t step = (property.size + (uint64_t)ALIGN - 1) & -(uint64_t)ALIGN;
        if (step > size || property.type < least)
            return false;
        if (property.type == GNU_PROPERTY_AARCH64_FEATURE_1_AND) {
            if (property.size != sizeof *features)
                return false;
            memcpy(features, at, sizeof *features);
        }
        at += step;
        size -= step;
    }
    return true;
}

bool elf_property_read(int fd, uint64_t offset, uint64_t size, bool *guarded)
{
    uint8_t bytes[NOTE_MAX];
    struct note note;
    uint32_t features = 0;
    if (size > sizeof bytes || offset > INT64_MAX)
        return false;
    ssize_t got = pread(fd, bytes, size, (off_t)offset);
    if (got < (ssize_t)sizeof note)
        return false;
    memcpy(&note, bytes, sizeof note);
    size_t room = (size_t)got - sizeof note;
    if (note.head.n_type != NT_GNU_PROPERTY_TYPE_0 || note.head.n_namesz != sizeof note.name ||
        memcmp(note.name, "GNU", sizeof note.name) != 0 || note.head.n_descsz > room)
        return false;
    if (!find_features(bytes + sizeof note, note.head.n_descsz, &features))
        return false;
    *guarded = features & GNU_PROPERTY_AARCH64_FEATURE_1_BTI;
    return true;
}
