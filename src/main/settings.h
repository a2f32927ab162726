/* SPDX-License-Identifier: Apache-2.0 */
/* The options an operator can set: one table, from which come the reader of the configuration file, the flags of the
 * command line, the commented default file (packaging/reeve.conf), `--help` and part of reeve.conf(5).
 *
 * File and flags say the same things: `port = 9000` below `[http]` is `--http.port 9000`. Precedence: default of the
 * command, file, flag. Every mistake is reported with where it is, what is wrong and what would be right; a
 * configuration with mistakes is never used in part. */
#ifndef REEVE_MAIN_SETTINGS_H
#define REEVE_MAIN_SETTINGS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rc.h"
#include "core/config.h"

enum option_type {
	OPT_TEXT,       /* struct slice */
	OPT_CSE_ID,     /* struct slice, "/name" */
	OPT_SP_ID,      /* struct slice, "//fqdn" */
	OPT_NAME,       /* struct slice, a resource name */
	OPT_ORIGINATOR, /* struct slice, an entity identifier or empty */
	OPT_PATH,       /* const char *, NULL when empty */
	OPT_ADDRESS,    /* const char *, numeric */
	OPT_BOOL,
	OPT_BOOL_NOT,   /* bool that is stored negated */
	OPT_PORT,       /* uint16_t */
	OPT_UNSIGNED,
	OPT_U32,
	OPT_U64,
	OPT_BYTES,      /* size_t */
	OPT_BYTES64,    /* uint64_t */
	OPT_SPAN,       /* usec */
	OPT_LIST,       /* struct config_list */
	OPT_CSE_TYPE,
	OPT_LOG_LEVEL,  /* int */
	OPT_LOG_FORMAT, /* bool: JSON */
	OPT_OPERATIONS, /* unsigned, ACOP_ bits */
	OPT_EVENTS,     /* unsigned, 1 << enum audit_kind */
};

struct option {
	const char *section, *key;
	enum option_type type;
	size_t offset;       /* in struct config */
	uint64_t least, most; /* range of numbers; microseconds for OPT_SPAN */
	const char *help;
};

extern const struct option options[];
extern const size_t n_options;
/* Sections in order, with a sentence on each. */
struct option_section { const char *name, *help; };
extern const struct option_section option_sections[];
extern const size_t n_option_sections;

enum { OPTIONS_MAX = 320 };
enum option_from { FROM_DEFAULT, FROM_FILE, FROM_FLAG };

struct settings {
	struct config c;
	struct arena memory;          /* what c points to */
	uint8_t from[OPTIONS_MAX];    /* enum option_from, by index into options[] */
	bool open_anywhere;           /* --http.open-anywhere */
	unsigned errors;
};

/* With the defaults. */
void settings_init(struct settings *s);
void settings_free(struct settings *s);

/* Read a configuration file; mistakes go to `err`, one line each. RC_IO: it cannot be read; RC_INVALID: it has mistakes. */
REEVE_MUST_CHECK enum reeve_rc settings_read(struct settings *s, const char *path, FILE *err);
/* Take the flag at argv[*i] ("--section.key", "--section.key=value") with its value and advance *i behind it. RC_NOTFOUND: it is
 * none of the options; RC_INVALID: reported to err. */
REEVE_MUST_CHECK enum reeve_rc settings_flag(struct settings *s, int argc, char **argv, int *i, FILE *err);
/* A command line: --config FILE wherever it stands (else the file of the system, when there is one and `system`), then the flags in
 * order, then settings_check. `other` is offered what is no option at argv[*i] and advances *i, or returns false. The exit status. */
typedef bool (*settings_other)(void *ctx, int argc, char **argv, int *i);
int settings_arguments(struct settings *s, const char *command, bool system, int argc, char **argv, settings_other other, void *ctx);
extern const char *const settings_system_file; /* /etc/reeve/reeve.conf */
/* What no option shows alone: contradictions, and openness where it must not be. */
REEVE_MUST_CHECK enum reeve_rc settings_check(struct settings *s, FILE *err);

/* Index of an option by "section.key", '-' and '_' alike; -1 when there is none. */
int option_find(struct slice name);
/* The option whose name is nearest to `name`, or -1 when none is near. */
int option_nearest(struct slice name);

/* Value text -> config. RC_INVALID with the reason in why. Lists are appended to. */
REEVE_MUST_CHECK enum reeve_rc option_parse(const struct option *o, struct slice text, struct config *c, struct arena *a, char why[256]);
/* config -> value text, as a file would have it. */
void option_write(const struct option *o, const struct config *c, struct buf *b);
/* What a value looks like, for help: "SIZE", "true|false". */
const char *option_form(const struct option *o);

bool address_is_loopback(const char *address);

/* The whole commented file with the values of c (defaults: all lines commented out). */
void settings_print_file(const struct config *c, struct buf *b);
/* The list of flags for --help. */
void settings_print_flags(const struct config *c, struct buf *b);
/* The list of options for reeve.conf(5), mdoc. */
void settings_print_mdoc(const struct config *c, struct buf *b);

#endif
