/* SPDX-License-Identifier: Apache-2.0 */
/* The option table as text: the commented file, the list for --help, the list for reeve.conf(5). */
#include "main/settings.h"

/* Words of `text` in lines of at most `width`, each after `prefix`. */
static void wrap(struct buf *b, const char *prefix, struct slice text, size_t width)
{
	size_t used = 0;
	while (text.p && text.n) {
		struct slice word = slice_cut(&text, ' ');
		if (used && used + 1 + word.n > width) {
			buf_char(b, '\n');
			used = 0;
		}
		if (!used)
			buf_slice(b, slice_str(prefix));
		else
			buf_char(b, ' ');
		buf_slice(b, word);
		used += word.n + 1;
	}
	buf_char(b, '\n');
}

void settings_print_file(const struct config *c, struct buf *b)
{
	buf_lit(b, "# Configuration of reeve, the oneM2M CSE. Every option is shown with its default; remove the # in front of\n"
		   "# one to change it. As a flag, `port` below [http] is `--http.port`. See reeve.conf(5).\n"
		   "# `reeve check config FILE` tells what is wrong with a file. Sizes: 4096, 64 KiB, 1 MiB, 2 GiB.\n"
		   "# Times: 500 ms, 30 s, 5 min, 1 h, 7 d. Lists: a, b, c, or several lines.\n");
	for (size_t s = 0; s < n_option_sections; s++) {
		buf_lit(b, "\n");
		wrap(b, "# ", slice_str(option_sections[s].help), 106);
		buf_printf(b, "[%s]\n", option_sections[s].name);
		for (size_t i = 0; i < n_options; i++) {
			size_t end;
			if (strcmp(options[i].section, option_sections[s].name))
				continue;
			buf_char(b, '\n');
			wrap(b, "# ", slice_str(options[i].help), 106);
			buf_printf(b, "#%s = ", options[i].key);
			end = b->n;
			option_write(&options[i], c, b);
			if (b->n == end && b->n)
				b->n--; /* no blank behind the = of an empty value */
			buf_char(b, '\n');
		}
	}
}

void settings_print_flags(const struct config *c, struct buf *b)
{
	for (size_t s = 0; s < n_option_sections; s++) {
		buf_printf(b, "\n%s: %s\n", option_sections[s].name, option_sections[s].help);
		for (size_t i = 0; i < n_options; i++) {
			struct buf value;
			if (strcmp(options[i].section, option_sections[s].name))
				continue;
			buf_init(&value, 4096);
			option_write(&options[i], c, &value);
			buf_printf(b, "  --%s.%s %s", options[i].section, options[i].key, option_form(&options[i]));
			if (value.n)
				buf_printf(b, "  [%.*s]", SF(buf_view(&value)));
			buf_char(b, '\n');
			wrap(b, "        ", slice_str(options[i].help), 80);
			buf_free(&value);
		}
		if (!strcmp(option_sections[s].name, "http")) {
			buf_lit(b, "  --http.open-anywhere\n");
			wrap(b, "        ", S("The same as http.open, also on an address that is not loopback."), 80);
		}
	}
}

/* mdoc reads a dot or quote at the start of a line, and backslashes anywhere, as its own. */
static void mdoc_text(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			buf_lit(b, "\\e");
		else if (s.p[i] == '-')
			buf_lit(b, "\\-");
		else
			buf_char(b, s.p[i]);
	}
	buf_char(b, '\n');
}

/* A sentence per line, as mdoc wants it. */
static void mdoc_sentences(struct buf *b, struct slice s)
{
	size_t from = 0;
	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == '.' && s.p[i + 1] == ' ' && i + 2 < s.n && s.p[i + 2] >= 'A' && s.p[i + 2] <= 'Z') {
			mdoc_text(b, slice_of(s.p + from, i + 1 - from));
			from = i + 2;
		}
	mdoc_text(b, slice_skip(s, from));
}

void settings_print_mdoc(const struct config *c, struct buf *b)
{
	for (size_t s = 0; s < n_option_sections; s++) {
		buf_printf(b, ".Ss [%s]\n", option_sections[s].name);
		mdoc_sentences(b, slice_str(option_sections[s].help));
		buf_lit(b, ".Bl -tag -width Ds\n");
		for (size_t i = 0; i < n_options; i++) {
			struct buf value;
			if (strcmp(options[i].section, option_sections[s].name))
				continue;
			buf_init(&value, 4096);
			option_write(&options[i], c, &value);
			buf_printf(b, ".It Ic %s No = Ar %s\n", options[i].key, option_form(&options[i]));
			mdoc_sentences(b, slice_str(options[i].help));
			if (value.n)
				buf_printf(b, "Default: %.*s.\n", SF(buf_view(&value)));
			buf_free(&value);
		}
		buf_lit(b, ".El\n");
	}
}
