/* Reads what a container image says about itself. Formats: OCI image layout and image specification 1.0
 * (index.json, oci-layout), and what docker save and podman save write (manifest.json). */
#include "image.h"
#include "commands.h"

#include <xemu/log.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static json_t *read_json(const char *directory, const char *name)
{
    json_error_t error;
    char *path = text_of("%s/%s", directory, name);
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        die(STATUS_FAILED, "the image is damaged: %s: %s", name, error.text);
    free(path);
    return json;
}

static const char *string_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text && *text ? text_of("%s", text) : NULL;
}

/* Appends the strings of an array to a null-terminated list with room for `room`. */
static void add_strings(const char **list, size_t room, const json_t *array)
{
    size_t at = 0, i;
    json_t *item;
    while (list[at])
        at++;
    json_array_foreach(array, i, item) if (json_is_string(item) && at < room) list[at++] =
        text_of("%s", json_string_value(item));
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

/* The entry for arm64, or the first. */
static json_t *choose_manifest(json_t *manifests)
{
    size_t i;
    json_t *entry;
    json_array_foreach(manifests, i, entry)
    {
        const char *architecture =
            json_string_value(json_object_get(json_object_get(entry, "platform"), "architecture"));
        if (architecture && strcmp(architecture, "arm64") == 0)
            return entry;
    }
    return json_array_get(manifests, 0);
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
    json_array_foreach(layers, i, layer) if (i < IMAGE_LAYERS) image->layers[i] = blob_name(layer);
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
