/* Reads what a container image says about itself. Formats: OCI image layout and image specification 1.0
 * (index.json, oci-layout), and what docker save and podman save write (manifest.json). */
#include "image.h"
#include "commands.h"

#include <xemu/log.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { INDEX_DEPTH = 4 };

static bool has_file(const char *directory, const char *name)
{
    char *path = text_of("%s/%s", directory, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

bool image_is_directory(const char *path)
{
    return has_file(path, "oci-layout") || (has_file(path, "manifest.json") && !has_file(path, "etc"));
}

/* Names come from the image, which may come from anybody: none leads out of its directory. */
static json_t *read_json(const char *directory, const char *name)
{
    static const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    json_error_t error;
    int parent = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
    if (fd < 0)
        die(STATUS_FAILED, "the image is damaged: %s: %s", name, strerror(errno));
    json_t *json = json_loadfd(fd, 0, &error);
    if (!json)
        die(STATUS_FAILED, "the image is damaged: %s: %s", name, error.text);
    close(fd);
    close(parent);
    return json;
}

static const char *string_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text && *text ? text_of("%s", text) : NULL;
}

/* Appends to a null-terminated list with room for `room`. */
static void add_string(const char **list, size_t room, const char *text)
{
    size_t at = 0;
    while (list[at])
        at++;
    if (at == room)
        die(STATUS_FAILED, "the image has more than %zu layers, variables or words of a command", room);
    list[at] = text_of("%s", text);
}

static void add_strings(const char **list, size_t room, const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_is_string(json_array_get(array, i)))
            add_string(list, room, json_string_value(json_array_get(array, i)));
}

/* The file of a blob, from its digest "sha256:...". */
static char *blob_name(const json_t *descriptor)
{
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    const char *colon = digest ? strchr(digest, ':') : NULL;
    if (!colon || strchr(digest, '/'))
        die(STATUS_FAILED, "the image is damaged: a part of it has no digest");
    return text_of("blobs/%.*s/%s", (int)(colon - digest), digest, colon + 1);
}

static void read_config(struct image *image, const char *directory, const char *name)
{
    json_t *json = read_json(directory, name), *config = json_object_get(json, "config");
    image->architecture = string_of(json, "architecture");
    add_strings(image->env, IMAGE_WORDS, json_object_get(config, "Env"));
    add_strings(image->command, IMAGE_WORDS, json_object_get(config, "Entrypoint"));
    add_strings(image->command, IMAGE_WORDS, json_object_get(config, "Cmd"));
    image->workdir = string_of(config, "WorkingDir");
    image->user = string_of(config, "User");
    json_decref(json);
}

/* The entry for arm64, or the first that doesn't say what it is for. Null: there is none. */
static json_t *choose_manifest(json_t *manifests)
{
    json_t *unnamed = NULL;
    const char *other = NULL;
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        json_t *entry = json_array_get(manifests, i);
        const char *architecture =
            json_string_value(json_object_get(json_object_get(entry, "platform"), "architecture"));
        if (architecture && strcmp(architecture, "arm64") == 0)
            return entry;
        if (!architecture)
            unnamed = unnamed ? unnamed : entry;
        else if (strcmp(architecture, "unknown") != 0) /* what is known about the others: attestations */
            other = architecture;
    }
    if (!unnamed && other)
        die(STATUS_FAILED, "the image is for %s, not for arm64", other);
    return unnamed;
}

static void read_oci(struct image *image, const char *directory)
{
    json_t *json = read_json(directory, "index.json"), *entry;
    for (int depth = 0; (entry = choose_manifest(json_object_get(json, "manifests"))) && depth < INDEX_DEPTH;
         depth++) {
        char *name = blob_name(entry);
        json_t *next = read_json(directory, name);
        json_decref(json);
        json = next;
        free(name);
    }
    size_t i;
    json_t *layer, *layers = json_object_get(json, "layers");
    if (!json_array_size(layers))
        die(STATUS_FAILED, "the image is damaged: it has no layers");
    json_array_foreach(layers, i, layer)
    {
        char *file = blob_name(layer);
        add_string(image->layers, IMAGE_LAYERS, file);
        free(file);
    }
    char *config = blob_name(json_object_get(json, "config"));
    read_config(image, directory, config);
    free(config);
    json_decref(json);
}

static void read_docker_archive(struct image *image, const char *directory)
{
    json_t *json = read_json(directory, "manifest.json"), *entry = json_array_get(json, 0);
    const char *config = json_string_value(json_object_get(entry, "Config"));
    if (!config)
        die(STATUS_FAILED, "the image is damaged: manifest.json names no config");
    add_strings(image->layers, IMAGE_LAYERS, json_object_get(entry, "Layers"));
    read_config(image, directory, config);
    json_decref(json);
}

void image_read(struct image *image, const char *directory)
{
    memset(image, 0, sizeof *image);
    if (has_file(directory, "manifest.json"))
        read_docker_archive(image, directory);
    else
        read_oci(image, directory);
}
