/* The guest's vDSO. */
#ifndef LOADER_VDSO_H
#define LOADER_VDSO_H

#include <xemu/loader.h>

/* Maps it and sets the image's vdso and sigreturn. Returns 0 or -errno. */
int vdso_map(struct guest_image *image);

#endif
