/* SPDX-License-Identifier: Apache-2.0 */
/* A <subscription> as a struct: read once from its attributes, used for many events. */
#include "core/notify/notify_int.h"

#include "codec/model.h"
#include "core/draft.h"

enum { LOOK_AHEAD_S = 60 };

/* Conditions that filter_match evaluates; the others (net, om, atr, chty, md) have a meaning of their own here. */
static bool is_condition(struct slice key)
{
	static const char *const names[] = { "crb", "cra", "ms", "us", "sts", "stb", "exb", "exa", "sza", "szb", "fo" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(key, slice_str(names[i])))
			return true;
	return false;
}

static enum reeve_rc read_conditions(struct arena *a, const struct json *j, uint32_t enc, struct sub *s, struct slice *why)
{
	struct json part;
	struct slice text;
	struct buf b;
	enum reeve_rc rc;

	buf_init(&b, j->text.n + 16);
	buf_char(&b, '{');
	for (uint32_t i = enc + 1; i < j->tok[enc].next; i = j->tok[i + 1].next) {
		if (!is_condition(json_inner(j, i)))
			continue;
		if (b.n > 1)
			buf_char(&b, ',');
		buf_slice(&b, json_raw(j, i));
		buf_char(&b, ':');
		buf_slice(&b, json_raw(j, i + 1));
	}
	buf_char(&b, '}');
	text = arena_dup(a, buf_view(&b));
	buf_free(&b);
	if (!text.p)
		return RC_NOMEM;
	if ((rc = json_parse(a, text, &json_default_limits, &part, why)) != RC_OK)
		return rc;
	return filter_from_json(&s->filter, a, &part, 0, why);
}

static enum reeve_rc read_strings(struct arena *a, const struct json *j, uint32_t at, struct slice **out, size_t *n)
{
	struct slice *v;

	*n = 0;
	if (!at || json_kind(j, at) != J_ARRAY)
		return RC_OK;
	if (!(v = arena_array(a, j->tok[at].count + 1u, sizeof(*v))))
		return RC_NOMEM;
	for (uint32_t i = at + 1; i < j->tok[at].next; i = j->tok[i].next) {
		v[*n] = json_string(a, j, i);
		if (v[*n].p)
			++*n;
	}
	*out = v;
	return a->failed ? RC_NOMEM : RC_OK;
}

static enum reeve_rc read_numbers(struct arena *a, const struct json *j, uint32_t at, int64_t **out, size_t *n)
{
	int64_t *v;

	*n = 0;
	if (!at)
		return RC_OK;
	if (!(v = arena_array(a, j->tok[at].count + 1u, sizeof(*v))))
		return RC_NOMEM;
	*out = v;
	if (json_i64(j, at, v)) { /* a single value is taken as a list of one */
		*n = 1;
		return RC_OK;
	}
	if (json_kind(j, at) != J_ARRAY)
		return RC_INVALID;
	for (uint32_t i = at + 1; i < j->tok[at].next; i = j->tok[i].next)
		if (!json_i64(j, i, &v[(*n)++]))
			return RC_INVALID;
	return RC_OK;
}

static enum reeve_rc read_monitor(struct arena *a, const struct ident_home *home, const struct json *j, uint32_t i,
				  struct sub_monitor *m, struct slice *why)
{
	uint32_t ops = json_member(j, i, S("ops")), who = json_member(j, i, S("or"));
	enum ident_kind kind;
	enum ident_form form;
	uint64_t n = 0;

	if (!ops && !who) {
		*why = S("enc.om: an entry needs ops or or");
		return RC_INVALID;
	}
	if (ops && (!json_u64(j, ops, &n) || n < 1 || n > 63)) {
		*why = S("enc.om.ops: a sum of operations, 1..63");
		return RC_INVALID;
	}
	m->ops = (unsigned)n;
	m->who = (struct slice){ NULL, 0 };
	if (!who)
		return RC_OK;
	if (ident_parse(a, home, json_string(a, j, who), &kind, &form, &m->who) != RC_OK)
		return RC_NOMEM;
	if (kind == ID_NONE || kind == ID_SP) {
		*why = S("enc.om.or: not the identifier of an AE or CSE");
		return RC_INVALID;
	}
	return RC_OK;
}

static enum reeve_rc read_monitors(struct arena *a, const struct ident_home *home, const struct json *j, uint32_t om,
				   struct sub *s, struct slice *why)
{
	enum reeve_rc rc;

	if (!om)
		return RC_OK;
	if (!(s->om = arena_array(a, j->tok[om].count + 1u, sizeof(*s->om))))
		return RC_NOMEM;
	if (json_kind(j, om) == J_OBJECT)
		return read_monitor(a, home, j, om, &s->om[s->n_om++], why);
	for (uint32_t i = om + 1; i < j->tok[om].next; i = j->tok[i].next)
		if ((rc = read_monitor(a, home, j, i, &s->om[s->n_om++], why)) != RC_OK)
			return rc;
	return RC_OK;
}

enum reeve_rc sub_read_enc(struct arena *a, const struct ident_home *home, const struct json *j, uint32_t enc, struct sub *s,
			   struct slice *why)
{
	int64_t *net = NULL;
	size_t n_net = 0;
	enum reeve_rc rc;

	filter_init(&s->filter);
	if (enc != SUB_NO_ENC) {
		if ((rc = read_conditions(a, j, enc, s, why)) != RC_OK)
			return rc;
		*why = S("enc: malformed");
		if ((rc = read_strings(a, j, json_member(j, enc, S("atr")), &s->atr, &s->n_atr)) != RC_OK ||
		    (rc = read_numbers(a, j, json_member(j, enc, S("chty")), &s->chty, &s->n_chty)) != RC_OK ||
		    (rc = read_numbers(a, j, json_member(j, enc, S("net")), &net, &n_net)) != RC_OK ||
		    (rc = read_monitors(a, home, j, json_member(j, enc, S("om")), s, why)) != RC_OK)
			return rc;
		s->missing_data = json_member(j, enc, S("md")) != 0;
	}
	for (size_t i = 0; i < n_net; i++) {
		if (net[i] < NE_UPDATE || net[i] > NE_MISSING_DATA)
			return RC_INVALID;
		s->events |= 1u << net[i];
	}
	if (!s->events && !s->n_om) /* CORE-180 */
		s->events = 1u << NE_UPDATE;
	return RC_OK;
}

enum reeve_rc notify_address(struct exec *x, struct arena *a, const struct res *r, struct slice *out)
{
	struct buf path, quoted;
	enum reeve_rc rc;

	buf_init(&path, 65536);
	buf_init(&quoted, 2 * 65536);
	buf_slice(&path, x->core->cfg->cse_id);
	buf_char(&path, '/');
	rc = tree_path(x->tx, r, &path);
	buf_json(&quoted, buf_view(&path));
	if (rc == RC_OK) {
		*out = path.failed || quoted.failed ? (struct slice){ NULL, 0 } : arena_dup(a, buf_view(&quoted));
		rc = out->p ? RC_OK : RC_NOMEM;
	}
	buf_free(&path);
	buf_free(&quoted);
	return rc;
}

static usec read_span(struct arena *a, const struct json *j, uint32_t at)
{
	usec span = 0;

	if (!at || !text_duration(json_string(a, j, at), &span) || span < 0)
		return 0;
	return span;
}

static void read_policies(struct exec *x, struct arena *a, const struct json *j, struct sub *s)
{
	uint32_t bn = json_member(j, 0, S("bn")), rl = json_member(j, 0, S("rl")), at;

	if (bn) {
		s->batch = true;
		at = json_member(j, bn, S("num"));
		if (!at || !json_u64(j, at, &s->batch_num))
			s->batch_num = 0;
		at = json_member(j, bn, S("dur"));
		s->batch_dur = at ? read_span(a, j, at) : x->core->cfg->batch_duration;
	}
	if (rl) {
		s->rate = true;
		at = json_member(j, rl, S("mnn"));
		if (!at || !json_u64(j, at, &s->rate_num))
			s->rate_num = 0;
		s->rate_window = read_span(a, j, json_member(j, rl, S("tww")));
		if (s->rate_window <= 0) /* a window without length limits nothing */
			s->rate = false;
	}
	if ((at = json_member(j, 0, S("ln"))))
		(void)json_bool(j, at, &s->latest);
	if ((at = json_member(j, 0, S("pn"))))
		(void)json_u64(j, at, &s->pending);
	if ((at = json_member(j, 0, S("nec"))))
		(void)json_u64(j, at, &s->category);
	if ((at = json_member(j, 0, S("exc"))))
		s->counted = json_u64(j, at, &s->exc);
}

static enum reeve_rc read_schedule(struct exec *x, struct arena *a, struct sub *s)
{
	struct slice *entries;
	struct res sch;
	struct json j;
	uint32_t se;
	size_t n;
	enum reeve_rc rc = tree_child(x->tx, s->key.n, S("notificationSchedule"), &sch);

	if (rc == RC_NOTFOUND || (rc == RC_OK && (sch.h.ty != TYPE_SCHEDULE || sch.h.et <= x->now)))
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	s->has_schedule = true;
	if ((rc = res_json(a, &sch, &j)) != RC_OK)
		return rc;
	se = json_member(&j, 0, S("se"));
	if (se && json_kind(&j, se) == J_OBJECT)
		se = json_member(&j, se, S("sce"));
	if ((rc = read_strings(a, &j, se, &entries, &n)) != RC_OK)
		return rc;
	if (!(s->schedule = arena_array(a, n + 1, sizeof(*s->schedule))))
		return RC_NOMEM;
	for (size_t i = 0; i < n; i++)
		if (text_schedule(entries[i], &s->schedule[s->n_schedule]))
			s->n_schedule++;
	return RC_OK;
}

static enum reeve_rc make_tail(struct exec *x, struct arena *a, const struct res *r, const struct json *j, struct sub *s)
{
	uint32_t cr = json_member(j, 0, S("cr")), nfu = json_member(j, 0, S("nfu"));
	struct buf b;
	enum reeve_rc rc = notify_address(x, a, r, &s->sur);

	if (rc != RC_OK)
		return rc;
	buf_init(&b, 1 << 20);
	buf_lit(&b, "\"sur\":");
	buf_slice(&b, s->sur);
	if (cr && json_kind(j, cr) == J_STRING) {
		s->creator = json_raw(j, cr);
		buf_lit(&b, ",\"cr\":");
		buf_slice(&b, s->creator);
	}
	if (nfu && json_kind(j, nfu) == J_ARRAY) /* a list in <subscription>, one address in m2m:sgn (core.md X7) */
		nfu = j->tok[nfu].count ? nfu + 1 : 0;
	if (nfu) {
		buf_lit(&b, ",\"nfu\":");
		buf_slice(&b, json_raw(j, nfu));
	}
	s->tail = b.failed ? (struct slice){ NULL, 0 } : arena_dup(a, buf_view(&b));
	buf_free(&b);
	return s->tail.p ? RC_OK : RC_NOMEM;
}

enum reeve_rc sub_read(struct exec *x, struct arena *a, const struct res *r, struct sub *s)
{
	struct slice why;
	struct json j;
	uint32_t nu, nct, enc;
	enum reeve_rc rc;

	*s = (struct sub){ .key = r->key, .et = r->h.et, .nct = 1 };
	if ((rc = res_json(a, r, &j)) != RC_OK)
		return rc;
	enc = json_member(&j, 0, S("enc"));
	if ((rc = sub_read_enc(a, &x->core->home, &j, enc ? enc : SUB_NO_ENC, s, &why)) != RC_OK)
		return rc == RC_NOMEM ? rc : RC_INVALID;
	nu = json_member(&j, 0, S("nu"));
	if (!nu || json_kind(&j, nu) != J_ARRAY)
		return RC_INVALID;
	s->nu = json_raw(&j, nu);
	nct = json_member(&j, 0, S("nct"));
	if (nct)
		(void)json_u64(&j, nct, &s->nct);
	read_policies(x, a, &j, s);
	if ((rc = make_tail(x, a, r, &j, s)) != RC_OK)
		return rc;
	return read_schedule(x, a, s);
}

bool sub_open(const struct sub *s, usec now)
{
	struct text_time t;

	if (!s->has_schedule)
		return true;
	text_time_of(now, &t);
	for (size_t i = 0; i < s->n_schedule; i++)
		if (text_schedule_match(&s->schedule[i], &t))
			return true;
	return false;
}

/* Entries are sets of seconds, so walking second by second is exact; a minute of them costs microseconds, and who waits longer
 * looks again then. */
usec sub_next_change(const struct sub *s, usec now)
{
	usec t = now - now % USEC_S;
	bool open = sub_open(s, now);

	for (int i = 0; i < LOOK_AHEAD_S; i++) {
		t += USEC_S;
		if (sub_open(s, t) != open)
			return t;
	}
	return t;
}
