/* Container images and tar files of systems. */
#ifndef CONTAINERS_IMAGE_H
#define CONTAINERS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

enum { IMAGE_LAYERS = 256, IMAGE_WORDS = 256 };

/* What an image says about itself; strings are malloc'd and live as long as the process. */
struct image {
    const char *layers[IMAGE_LAYERS + 1]; /* files, from the image's directory; null-terminated */
    const char *env[IMAGE_WORDS + 1];     /* VAR=VALUE */
    const char *command[IMAGE_WORDS + 1]; /* entry point and its arguments */
    const char *workdir, *user;           /* null: none */
    const char *architecture;             /* null: unknown */
};

/* Whether the directory is an image (OCI layout, or what `docker save` packs) rather than a system. */
bool image_is_directory(const char *path);

/* Reads the image in a directory; of several it takes the one for arm64. Dies if it is damaged. */
void image_read(struct image *image, const char *directory);

/* Unpacks a tar file of a system, a tar file of an image, or a directory that is an image, into work/root,
 * and leaves the image's own files, if it is one, in work/image. Runs tar with no way out of `work`.
 * all_owners: files may belong to others than root. Needs the right to mount. False: it failed, and has said
 * why. */
bool image_unpack(const char *source, const char *work, bool all_owners);

#endif
