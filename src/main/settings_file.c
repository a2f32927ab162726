/* SPDX-License-Identifier: Apache-2.0 */
/* Reading options: the file, the flags, and the checks across options.
 *
 * The file is lines: `[section]`, `key = value`, `# comment`; blanks around are ignored, a value runs to the end of its
 * line. A list may be given on several lines. All mistakes are reported, not only the first, so that one look mends
 * the file. */
#include <stdarg.h>
#include <unistd.h>

#include "authz/ident.h"
#include "base/file.h"
#include "binding/mqtt/topic.h"
#include "codec/text.h"
#include "main/commands.h"
#include "main/settings.h"

enum { FILE_MOST = 1 << 20, ERRORS_MAX = 50 };

void settings_init(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	config_defaults(&s->c);
	arena_init(&s->memory, NULL, 0, 16 << 20);
}

void settings_free(struct settings *s) { arena_reset(&s->memory); }

static bool same_name(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		char x = a.p[i] == '-' ? '_' : a.p[i], y = b.p[i] == '-' ? '_' : b.p[i];
		if (x != y)
			return false;
	}
	return true;
}

static struct slice full_name(const struct option *o, char room[128])
{
	int n = snprintf(room, 128, "%s.%s", o->section, o->key);
	return slice_of(room, (size_t)n);
}

int option_find(struct slice name)
{
	char room[128];
	for (size_t i = 0; i < n_options; i++)
		if (same_name(name, full_name(&options[i], room)))
			return (int)i;
	return -1;
}

/* Edit distance, of names short enough for a row on the stack. */
static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[129];
	if (a.n > 128 || b.n > 128)
		return 999;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned best = diagonal + (a.p[i - 1] != b.p[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

int option_nearest(struct slice name)
{
	ptrdiff_t dot = slice_find(name, '.');
	struct slice key = dot < 0 ? name : slice_skip(name, (size_t)dot + 1);
	unsigned best = 999;
	int found = -1;
	char room[128];
	for (size_t i = 0; i < n_options; i++) {
		/* The whole name, or the right key in a wrong section. */
		unsigned d = distance(name, full_name(&options[i], room)), k = distance(key, slice_str(options[i].key)) + 1;
		if (k < d)
			d = k;
		if (d < best) {
			best = d;
			found = (int)i;
		}
	}
	return best <= 2 + name.n / 5 ? found : -1;
}

static enum reeve_rc set(struct settings *s, int at, struct slice value, enum option_from from, char why[256])
{
	const struct option *o = &options[at];
	if (o->type == OPT_LIST && s->from[at] != from)
		*(struct config_list *)((char *)&s->c + o->offset) = (struct config_list){ NULL, 0 };
	else if (o->type != OPT_LIST && from == FROM_FILE && s->from[at] == FROM_FILE) {
		snprintf(why, 256, "%s.%s is given twice", o->section, o->key);
		return RC_EXISTS;
	}
	s->from[at] = (uint8_t)from;
	return option_parse(o, value, &s->c, &s->memory, why);
}

static struct slice blank_trim(struct slice s) { return slice_trim(s, S(" \t\r")); }

static bool known_section(struct slice name)
{
	for (size_t i = 0; i < n_option_sections; i++)
		if (slice_eq(name, slice_str(option_sections[i].name)))
			return true;
	return false;
}

struct reading { struct settings *s; const char *path; unsigned line; FILE *err; struct slice section; bool section_known; };

static void mistake(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void mistake(struct reading *r, const char *fmt, ...)
{
	va_list ap;
	if (r->s->errors++ >= ERRORS_MAX)
		return;
	fprintf(r->err, "%s:%u: ", r->path, r->line);
	va_start(ap, fmt);
	vfprintf(r->err, fmt, ap);
	va_end(ap);
	fputc('\n', r->err);
}

static void read_section(struct reading *r, struct slice line)
{
	r->section_known = false;
	r->section = line;
	if (line.p[line.n - 1] != ']') {
		mistake(r, "a section is written [name]; the ] is missing");
		return;
	}
	r->section = blank_trim(slice_of(line.p + 1, line.n - 2));
	r->section_known = known_section(r->section);
	if (!r->section_known) {
		struct buf all;
		buf_init(&all, 4096);
		for (size_t i = 0; i < n_option_sections; i++)
			buf_printf(&all, "%s%s", i ? ", " : "", option_sections[i].name);
		buf_char(&all, 0);
		mistake(r, "no section \"%.*s\"; there are %s", SF(r->section), all.p);
		buf_free(&all);
	}
}

static void read_pair(struct reading *r, struct slice line)
{
	ptrdiff_t eq = slice_find(line, '=');
	struct slice key, value;
	char name[256], why[256];
	int at;

	if (eq < 0) {
		mistake(r, "\"%.*s\" is neither [section] nor key = value nor a # comment", line.n > 60 ? 60 : (int)line.n, line.p);
		return;
	}
	key = blank_trim(slice_of(line.p, (size_t)eq));
	value = blank_trim(slice_skip(line, (size_t)eq + 1));
	if (!r->section.p) {
		mistake(r, "\"%.*s\" stands before the first [section]", SF(key));
		return;
	}
	if (!r->section_known)
		return; /* said at the section */
	snprintf(name, sizeof(name), "%.*s.%.*s", SF(r->section), key.n > 100 ? 100 : (int)key.n, key.p);
	at = option_find(slice_str(name));
	if (at < 0) {
		at = option_nearest(slice_str(name));
		if (at < 0)
			mistake(r, "no option \"%s\"; `reeve check config --print-default` shows all", name);
		else
			mistake(r, "no option \"%s\"; the nearest is %s in [%s]", name, options[at].key, options[at].section);
		return;
	}
	if (set(r->s, at, value, FROM_FILE, why) != RC_OK)
		mistake(r, "%s.%s: %s", options[at].section, options[at].key, why);
}

enum reeve_rc settings_read(struct settings *s, const char *path, FILE *err)
{
	struct reading r = { .s = s, .path = path, .err = err };
	unsigned before = s->errors;
	char why[FILE_WHY_MAX];
	struct buf b;
	const enum reeve_rc rc = file_read(path, FILE_MOST, &b, why);
	struct slice rest = buf_view(&b);

	if (rc != RC_OK)
		fprintf(err, "%s: %s\n", path, why);
	while (rc == RC_OK && rest.p && rest.n) {
		struct slice line = blank_trim(slice_cut(&rest, '\n'));
		r.line++;
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (memchr(line.p, 0, line.n))
			mistake(&r, "the line has a NUL byte: this is no text file");
		else if (line.p[0] == '[')
			read_section(&r, line);
		else
			read_pair(&r, line);
	}
	buf_free(&b);
	if (s->errors - before > ERRORS_MAX)
		fprintf(err, "%s: and %u more\n", path, s->errors - before - ERRORS_MAX);
	return rc == RC_OK && s->errors != before ? RC_INVALID : rc;
}

enum reeve_rc settings_flag(struct settings *s, int argc, char **argv, int *i, FILE *err)
{
	struct slice arg = slice_str(argv[*i]), value = { NULL, 0 };
	char why[256];
	ptrdiff_t eq;
	int at;

	if (!slice_starts(arg, S("--")))
		return RC_NOTFOUND;
	arg = slice_skip(arg, 2);
	eq = slice_find(arg, '=');
	if (eq >= 0) {
		value = slice_skip(arg, (size_t)eq + 1);
		arg.n = (size_t)eq;
	}
	if (same_name(arg, S("http.open-anywhere")) && eq < 0) {
		s->open_anywhere = s->c.http.open = true;
		++*i;
		return RC_OK;
	}
	at = option_find(arg);
	if (at < 0)
		return RC_NOTFOUND;
	++*i;
	if (eq < 0) {
		const bool truth = options[at].type == OPT_BOOL || options[at].type == OPT_BOOL_NOT;
		const bool follows = *i < argc && (!truth || !strcmp(argv[*i], "true") || !strcmp(argv[*i], "false"));
		if (!follows && !truth) {
			fprintf(err, "reeve: --%.*s needs a value: %s\n", SF(arg), option_form(&options[at]));
			s->errors++;
			return RC_INVALID;
		}
		value = follows ? slice_str(argv[(*i)++]) : S("true");
	}
	if (set(s, at, value, FROM_FLAG, why) == RC_OK)
		return RC_OK;
	fprintf(err, "reeve: --%.*s: %s\n", SF(arg), why);
	s->errors++;
	return RC_INVALID;
}

static void contradiction(struct settings *s, FILE *err, const char *text)
{
	fprintf(err, "reeve: configuration: %s\n", text);
	s->errors++;
}

static enum ident_kind kind_of(struct settings *s, struct slice id)
{
	const struct config *c = &s->c;
	const struct slice abs = arena_printf(&s->memory, "%.*s%.*s", SF(c->sp_id), SF(c->cse_id));
	const struct ident_home home = { .sp_id = c->sp_id, .cse_id = c->cse_id, .base_name = c->base_name, .abs = abs };
	enum ident_kind kind;
	enum ident_form form;
	struct slice canon;

	if (ident_parse(&s->memory, &home, id, &kind, &form, &canon) != RC_OK || kind == ID_SP)
		return ID_NONE;
	return kind == ID_AE_S && form != ID_STEM ? ID_CSE : kind; /* a CSE-ID may begin with S */
}

static bool is_originator(struct settings *s, struct slice id) { return kind_of(s, id) != ID_NONE; }

static bool is_other_cse(struct settings *s, struct slice id)
{
	return kind_of(s, id) == ID_CSE && !slice_ends(id, s->c.cse_id);
}

/* What makes the broker more than a way for messages has to be meant: see docs/mqtt.md. */
static void check_mqtt(struct settings *s, FILE *err)
{
	const struct config *c = &s->c;
	struct mqtt_url url;
	bool loopback;

	if (c->mqtt.retry_first > c->mqtt.retry_most)
		contradiction(s, err, "mqtt.retry_first is longer than mqtt.retry_most");
	if (!c->mqtt.broker)
		return;
	if (!mqtt_url_read(&s->memory, slice_str(c->mqtt.broker), &url)) {
		contradiction(s, err, "mqtt.broker is no address: write it like mqtt://127.0.0.1:1883 or mqtts://broker.example:8883/path");
		return;
	}
	loopback = !strcmp(url.host, "localhost") || address_is_loopback(url.host);
	if (c->mqtt.trusted && !url.tls && !loopback)
		contradiction(s, err,
			      "mqtt.trusted: what a broker on another machine says of its clients is believed behind TLS only.\n"
			      "  Write mqtts:// in mqtt.broker, or leave mqtt.trusted out.");
	if (url.tls && !c->mqtt.credential.n && !c->mqtt.ca)
		contradiction(s, err, "mqtt.broker is behind TLS: name trust anchors (mqtt.ca) or a key (mqtt.credential)");
	if (c->mqtt.open && !loopback && s->from[option_find(S("mqtt.open"))] != FROM_FILE)
		contradiction(s, err,
			      "mqtt.open would let anybody who may publish at a broker on another machine act as anybody.\n"
			      "  Set mqtt.open to false or, if you mean it, write `open = true` below [mqtt] in the configuration file.");
}

enum reeve_rc settings_check(struct settings *s, FILE *err)
{
	const struct config *c = &s->c;
	const int open_at = option_find(S("http.open")), coap_open_at = option_find(S("coap.open"));
	const unsigned before = s->errors;

	if (!c->data)
		contradiction(s, err, "store.data is empty: name the folder of the store");
	if (c->admin.n && !is_originator(s, c->admin))
		contradiction(s, err, "access.admin is no Originator: write an AE-ID like Cadmin or a CSE-ID like /other");
	if (c->registrar.cse_id.n && !is_other_cse(s, c->registrar.cse_id))
		contradiction(s, err, "registrar.id is no CSE-ID of another CSE: write it like /in1");
	if (c->registrar.cse_id.n && !c->registrar.poa.n)
		contradiction(s, err, "registrar.id is set, but registrar.poa does not say where that CSE is");
	if (c->registrar.cse_id.n && c->type == CSE_IN && !slice_starts(c->registrar.cse_id, S("//")))
		contradiction(s, err, "registrar.id: an IN-CSE registers with nobody in its own domain (cse.type is MN or ASN otherwise)");
	if (c->registrar.base_name.n && !text_name(c->registrar.base_name, 128))
		contradiction(s, err, "registrar.name is no resource name");
	if (c->registrar.retry_first > c->registrar.retry_most)
		contradiction(s, err, "registrar.retry_first is longer than registrar.retry_most");
	if (c->notify.retry_first > c->notify.retry_most)
		contradiction(s, err, "notify.retry_first is longer than notify.retry_most");
	check_mqtt(s, err);
	if (c->limits.outbox_per_sub > c->limits.outbox)
		contradiction(s, err, "limits.outbox_per_sub is more than limits.outbox");
	if (c->limits.body > c->store_max / 4)
		contradiction(s, err, "limits.body is more than a quarter of store.max");
	if (c->http.open && !address_is_loopback(c->http.address) && !s->open_anywhere && s->from[open_at] != FROM_FILE)
		contradiction(s, err,
			      "http.address is not loopback, and http.open would let anybody who reaches it act as anybody.\n"
			      "  Either listen on 127.0.0.1 or ::1, or set http.open to false, or, if you mean it, write `open = true`\n"
			      "  in the configuration file or give --http.open-anywhere.");
	if (c->coap.open && c->coap.address && !address_is_loopback(c->coap.address) && s->from[coap_open_at] != FROM_FILE)
		contradiction(s, err,
			      "coap.address is not loopback, and coap.open would let anybody who reaches it act as anybody.\n"
			      "  Either listen on 127.0.0.1 or ::1, or set coap.open to false, or, if you mean it, write `open = true`\n"
			      "  in the configuration file.");
	return s->errors == before ? RC_OK : RC_INVALID;
}

const char *const settings_system_file = "/etc/reeve/reeve.conf";

/* The file named on the command line, or NULL; -1 when a name is missing. */
static int config_argument(int argc, char **argv, const char **file)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "--config=", 9))
			*file = argv[i] + 9;
		else if (!strcmp(argv[i], "--config")) {
			if (++i >= argc)
				return -1;
			*file = argv[i];
		}
	}
	return 0;
}

int settings_arguments(struct settings *s, const char *command, bool system, int argc, char **argv, settings_other other, void *ctx)
{
	const char *file = NULL;

	if (config_argument(argc, argv, &file) < 0)
		return usage_error(command, "--config needs the name of a file");
	if (!file && system && access(settings_system_file, R_OK) == 0)
		file = settings_system_file;
	if (file && settings_read(s, file, stderr) != RC_OK)
		return EXIT_USAGE;
	for (int i = 0; i < argc;) {
		enum reeve_rc rc;
		if (!strncmp(argv[i], "--config", 8) && (argv[i][8] == '=' || !argv[i][8])) {
			i += argv[i][8] ? 1 : 2;
			continue;
		}
		rc = settings_flag(s, argc, argv, &i, stderr);
		if (rc == RC_NOTFOUND && other && other(ctx, argc, argv, &i))
			continue;
		if (rc == RC_NOTFOUND) {
			const struct slice name = slice_str(argv[i] + strspn(argv[i], "-"));
			const ptrdiff_t eq = slice_find(name, '=');
			const int near = option_nearest(eq < 0 ? name : slice_of(name.p, (size_t)eq));
			if (argv[i][0] != '-')
				return usage_error(command, "\"%s\" is not expected here", argv[i]);
			if (near >= 0)
				return usage_error(command, "no flag \"%s\"; the nearest is --%s.%s", argv[i], options[near].section,
						   options[near].key);
			return usage_error(command, "no flag \"%s\"", argv[i]);
		}
		if (rc != RC_OK)
			return EXIT_USAGE;
	}
	return settings_check(s, stderr) == RC_OK ? EXIT_OK : EXIT_USAGE;
}
