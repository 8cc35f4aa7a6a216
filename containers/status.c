/* xemu status: who runs ARM64 programs. */
#include "binfmt.h"
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum { HANDLERS = 16 };

struct state {
    bool mounted, enabled;
    size_t count;
    struct handler handlers[HANDLERS];
    struct answer answer;
    struct utsname kernel;
};

static void read_state(struct state *state, const char *place)
{
    state->mounted = binfmt_mounted(place);
    state->enabled = binfmt_enabled(place);
    size_t count = binfmt_handlers(place, state->handlers, HANDLERS);
    state->count = count < HANDLERS ? count : HANDLERS;
    probe_answer(&state->answer);
    uname(&state->kernel);
}

static void show_string(const char *name, const char *value)
{
    printf("\"%s\": \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            printf("\\%c", *value);
        else if ((unsigned char)*value < ' ')
            printf("\\u%04x", (unsigned)*value);
        else
            putchar(*value);
    }
    putchar('"');
}

static const char *json_bool(bool value) { return value ? "true" : "false"; }

static void show_json(const struct state *state)
{
    printf("{");
    show_string("version", XEMU_VERSION);
    printf(", ");
    show_string("kernel", state->kernel.release);
    printf(", \"mounted\": %s, \"enabled\": %s, \"handlers\": [", json_bool(state->mounted),
           json_bool(state->enabled));
    for (size_t i = 0; i < state->count; i++) {
        const struct handler *handler = &state->handlers[i];
        printf("%s{", i ? ", " : "");
        show_string("name", handler->name);
        printf(", ");
        show_string("interpreter", handler->interpreter);
        printf(", ");
        show_string("flags", handler->flags);
        printf(", \"enabled\": %s}", json_bool(handler->enabled));
    }
    printf("], \"runs\": %s", json_bool(!state->answer.error));
    if (!state->answer.error) {
        printf(", ");
        show_string("path", state->answer.path);
        printf(", ");
        show_string("answer", state->answer.version);
    }
    printf("}\n");
}

static void show_text(const struct state *state, const char *place)
{
    if (!state->mounted)
        printf("binfmt_misc is not mounted at %s\n", place);
    else if (!state->enabled)
        puts("binfmt_misc is switched off");
    for (size_t i = 0; i < state->count; i++)
        printf("%s: %s, flags %s%s\n", state->handlers[i].name, state->handlers[i].interpreter,
               state->handlers[i].flags, state->handlers[i].enabled ? "" : ", switched off");
    if (state->mounted && !state->count)
        puts("no handler for ARM64 programs is registered here: sudo xemu install");
    if (state->answer.error == ENOEXEC)
        puts("the kernel does not run ARM64 programs");
    else if (state->answer.error)
        printf("ARM64 programs do not run: %s\n", strerror(state->answer.error));
    else
        printf("ARM64 programs run under %s%s%s\n", state->answer.path, state->answer.version[0] ? ": " : "",
               state->answer.version);
}

int command_status(int argc, char **argv)
{
    (void)argc, (void)argv;
    static struct state state;
    const char *place = choice_value(CHOICE_status_mount);
    place = place ? place : BINFMT_PLACE;
    read_state(&state, place);
    if (choice_value(CHOICE_status_json))
        show_json(&state);
    else
        show_text(&state, place);
    return state.answer.error ? STATUS_FAILED : 0;
}

int show_platforms(const char *place)
{
    struct handler handlers[HANDLERS];
    size_t count = binfmt_handlers(place, handlers, HANDLERS);
    bool runs = false;
    printf("{\n  \"supported\": [\"linux/amd64\"");
    for (size_t i = 0; i < count && i < HANDLERS; i++)
        runs |= handlers[i].enabled;
    printf("%s],\n  \"emulators\": [", runs ? ", \"linux/arm64\"" : "");
    for (size_t i = 0; i < count && i < HANDLERS; i++)
        printf("%s\"%s\"", i ? ", " : "", handlers[i].name);
    puts("]\n}");
    return 0;
}
