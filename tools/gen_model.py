#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generate the C tables of src/codec/model.h from the JSON files of model/.  usage: gen_model.py MODEL_DIR OUT.c

The output depends on the input files only: same files, same bytes. Everything a table cannot say by itself
(how a type looks on the wire, choices where the sources are silent) is in the dictionaries at the top.
A type that is not understood ends the run: every attribute gets a checked type or none is generated.
"""
import json
import os
import sys

# Simple types by the base of model.h that checks them. A list type names its element and its minimum.
SIMPLE = {
    'xs:string': 'STRING', 'xs:token': 'TOKEN', 'xs:anyURI': 'URI', 'xs:NCName': 'NCNAME', 'xs:boolean': 'BOOL',
    'xs:nonNegativeInteger': 'NONNEG', 'xs:unsignedLong': 'NONNEG', 'xs:positiveInteger': 'POSITIVE',
    'xs:integer': 'INT', 'xs:long': 'LONG', 'xs:unsignedShort': 'UINT16', 'xs:unsignedInt': 'UINT32',
    'xs:float': 'FLOAT', 'xs:double': 'FLOAT', 'xs:duration': 'DURATION', 'xs:base64Binary': 'BASE64',
    'xs:anyType': 'ANY', 'xs:anySimpleType': 'SIMPLE', 'not specified': 'ANY', 'm2m:resourceWrapper': 'ANY',
    'm2m:resourceName': 'NAME', 'm2m:ID': 'ID', 'm2m:nodeID': 'URI', 'm2m:deviceID': 'URI', 'm2m:externalID': 'STRING',
    'm2m:requestID': 'STRING', 'm2m:nhURI': 'NHURI', 'm2m:label': 'LABEL', 'm2m:triggerRecipientID': 'UINT16',
    'm2m:ipv4': 'IPV4', 'm2m:ipv6': 'IPV6', 'm2m:countryCode': 'COUNTRY', 'm2m:pointOfAccess': 'POA',
    'm2m:timestamp': 'TIMESTAMP', 'm2m:absRelTimestamp': 'ABSREL', 'm2m:typeOfContent': 'STRING',
    'm2m:contentInfo': 'CONTENT_INFO', 'm2m:eventCat': 'EVENTCAT', 'm2m:eventCatWithDef': 'EVENTCAT',
    'm2m:scheduleEntry': 'SCHEDULE', 'm2m:roleID': 'ROLE_ID', 'm2m:tokenID': 'ROLE_ID', 'm2m:sparql': 'STRING',
    'm2m:dynAuthJWT': 'JWT', 'm2m:e2eCompactJWS': 'JWS', 'm2m:e2eCompactJWE': 'JWE',
    'm2m:locationTargetID': 'STRING', 'm2m:TMGI': 'STRING', 'm2m:sessionDescription': 'STRING',
    'm2m:primitiveContent': 'CONTENT', 'm2m:representation': 'CONTENT',
}
STRENUM = {
    # TS-0004 6.3.3 has the plain words, other clauses and most peers the media types: both are read.
    'm2m:serialization': ['xml', 'json', 'cbor', 'application/xml', 'application/json', 'application/cbor'],
    'm2m:releaseVersion': ['2', '2a', '3'],
    # A peer of a later release may say so when it registers; what it is answered follows rvi.
    'm2m:supportedReleaseVersion': ['1', '2', '2a', '3', '4', '5'],
}
LISTS = {  # element type, least, most (0: any number)
    'm2m:acpType': ('xs:anyURI', 1, 0), 'm2m:labels': ('m2m:label', 1, 0), 'm2m:listOfM2MID': ('m2m:ID', 1, 0),
    'm2m:listOfURIs': ('xs:anyURI', 1, 0), 'm2m:listOfDuration': ('xs:duration', 1, 0),
    'm2m:resourceTypeList': ('m2m:resourceType', 1, 0), 'm2m:listOfMinMax': ('xs:long', 2, 2),
    'm2m:poaList': ('m2m:pointOfAccess', 1, 0), 'm2m:serializations': ('m2m:serialization', 1, 0),
    'm2m:protocolList': ('xs:string', 0, 0), 'm2m:listOfEventCat': ('m2m:eventCat', 1, 0),
    'm2m:listOfEventCatWithDef': ('m2m:eventCatWithDef', 1, 0), 'm2m:attributeList': ('xs:NCName', 1, 0),
    'm2m:missingDataList': ('m2m:absRelTimestamp', 1, 0), 'm2m:signatureList': ('xs:string', 1, 0),
    'm2m:supportedReleaseVersions': ('m2m:supportedReleaseVersion', 1, 0), 'm2m:sessionCapabilities': ('xs:token', 0, 0),
    'restricted list of xs:boolean': ('xs:boolean', 1, 2), 'list of 3 xs:float': ('xs:float', 3, 3),
}
# "(L)" in TS-0001 beside a type that TS-0004 gives no list form is one value, but for these.
REPEATED = {'m2m:mgmtLinkRef'}
# Attributes whose type in the tables is not what the text means: filterUsage is one member of m2m:filterCriteria (the type's hook checks it).
ATTRIBUTE_TYPES = {('authorizationDecision', 'fu'): 'xs:anyType'}
# Members without a short name in the standard's tables.
MISSING_SN = {('m2m:aggregatedRequest', 'request'): 'req', ('m2m:dynAuthRelMapResponse', 'signature'): 'signature'}
OPS = ['C', 'R', 'U', 'D', 'N']
OPT = {'NP': 'MODEL_NP', 'O': 'MODEL_O', 'M': 'MODEL_M', 'not specified': 'MODEL_O'}
HASH_BITS, MAX_PROBES = 11, 4


def fail(text):
    sys.exit('gen_model: ' + text)


def quote(s):
    if s is None:
        return 'NULL'
    return '"' + s.replace('\\', '\\\\').replace('"', '\\"') + '"'


def flag(b):
    return 'true' if b else 'false'


class Types:
    """Every type that something refers to, resolved on first use."""

    def __init__(self, load):
        doc = load('complex_types')
        self.complex = {t['type']: t for t in doc['complex_types']}
        self.known = {t['type'] for t in doc['simple_types']}
        self.enums = {e['type']: e for e in load('enumerations')['enumerations']}
        self.codes = sorted(c['rsc'] for c in load('status_codes')['status_codes'])
        parameters = load('parameters')
        for name, key in (('m2m:requestPrimitive', 'request'), ('m2m:responsePrimitive', 'response')):
            self.complex[name] = {'type': name, 'kind': 'sequence', 'members': parameters[key]}
        self.done = {}

    def resolve(self, name):
        if name not in self.done:
            self.done[name] = None  # seen: a type may not contain itself
            self.done[name] = self.make(name)
        elif self.done[name] is None:
            fail('type %s contains itself' % name)
        return name

    def make(self, name):
        if name in LISTS:
            return self.make_list(*LISTS[name])
        if name.startswith('list of '):
            element = name[len('list of '):]
            if element in LISTS:
                fail('a list of lists: ' + name)
            return self.make_list(element, 0, 0)
        if name in SIMPLE:
            return {'base': SIMPLE[name], 'zero': name == 'm2m:eventCatWithDef'}
        if name in STRENUM:
            return {'base': 'STRENUM', 'strings': STRENUM[name]}
        if name == 'm2m:responseStatusCode':
            return {'base': 'ENUM', 'enumeration': self.codes}
        if name in self.enums:
            e = self.enums[name]
            if e.get('bitmask'):
                return {'base': 'BITS'}
            return {'base': 'ENUM', 'enumeration': sorted({v['v'] for v in e['values']})}
        if name in self.complex:
            t = self.complex[name]
            return self.make_complex(name, t['members'], t['kind'].startswith('choice'))
        fail('no rule for type ' + name)

    def make_list(self, element, least, most):
        self.resolve(element)
        t = dict(self.done[element])
        if t.get('list') or t['base'] == 'COMPLEX':
            fail('list of ' + element)
        t.update(list=True, least=least, most=most)
        return t

    def make_complex(self, name, rows, choice):
        """rows: members; "a/b" is member b of the nameless type of a."""
        members = []
        for m in rows:
            path = m['n'].split('/')
            if len(path) > 1:
                continue
            sn = m['sn'] or MISSING_SN.get((name, m['n'])) or fail('no short name: %s %s' % (name, m['n']))
            kind = m['type']
            if kind == '(anonymous)':
                inner = [dict(x, n=x['n'][len(m['n']) + 1:]) for x in rows if x['n'].startswith(m['n'] + '/')]
                kind = name + '/' + sn
                self.done[kind] = self.make_complex(kind, inner, False)
            else:
                self.resolve(kind)
            low, _, high = m['card'].partition('..')
            members.append({'sn': sn, 'type': kind, 'required': low != '0' and not choice,
                            'many': (high or low) not in ('0', '1')})
        if len(members) > 64 or len({m['sn'] for m in members}) != len(members):
            fail('members of ' + name)
        return {'base': 'COMPLEX', 'members': members, 'choice': choice}


def attribute(types, owner, a):
    """One row of an attribute table as a record; None for rows without a name on the wire."""
    if not a['sn']:
        return None
    a = dict(a, type=ATTRIBUTE_TYPES.get((owner['name'], a['sn']), a['type']))
    types.resolve(a['type'])
    t, card = types.done[a['type']], a.get('card', '0..1')
    many = not t.get('list') and (card.endswith('..n') or ('(L)' in card and a['type'] in REPEATED))
    annc = {'NA': 'N', 'OA': 'O', 'MA': 'M'}[a.get('annc', 'NA')]
    return {'sn': a['sn'], 'n': a['n'], 'type': a['type'], 'many': many, 'single': card.startswith('1'), 'c': OPT[a['c']],
            'u': OPT[a['u']], 'annc': annc, 'kind': a.get('kind', 's'), 'def': a.get('def')}


class Model:
    def __init__(self, load):
        self.types = Types(load)
        self.resources = load('resource_types')['resource_types']
        self.codes = load('status_codes')['status_codes']
        self.is_type = sorted(v['v'] for v in self.types.enums['m2m:resourceType']['values'])
        by_name = {r['name']: r for r in self.resources}
        for r in self.resources:
            r['number'] = r.get('ty') or r.get('member_type') or 0
            r['rows'] = [x for x in (attribute(self.types, r, a) for a in r['attributes']) if x]
            if len({a['sn'] for a in r['rows']}) != len(r['rows']) or len(r['rows']) > 254:
                fail('attributes of ' + r['name'])
        for r in self.resources:
            r['kids'] = []
            for c in r.get('children', []):
                if c['type'] not in by_name:
                    fail('child %s of %s' % (c['type'], r['name']))
                r['kids'].append((by_name[c['type']], c.get('name'), c['card'] not in ('1', '0..1')))
        for name in sorted({*SIMPLE, *LISTS, *STRENUM, *self.types.known, *self.types.enums, *self.types.complex}):
            self.types.resolve(name)
        self.attr_names = sorted({a['sn'] for r in self.resources for a in r['rows']})

    def roots(self):
        return {r['sn']: i for i, r in enumerate(self.resources) if r.get('sn')}


def pack(name):
    raw = name.encode()
    if len(raw) > 8:
        fail('short name longer than 8: ' + name)
    return int.from_bytes(raw, 'little')


def hash_table(names):
    """Open addressing with a multiplier chosen so that no name is more than MAX_PROBES slots from home."""
    size, x = 1 << HASH_BITS, 0x9e3779b97f4a7c15
    for _ in range(20000):
        x = (x * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        mult, slots = x | 1, [None] * size
        for name in names:
            at = (pack(name) * mult % (1 << 64)) >> (64 - HASH_BITS)
            for step in range(MAX_PROBES):
                if slots[(at + step) % size] is None:
                    slots[(at + step) % size] = name
                    break
            else:
                break
        else:
            return mult, slots
    fail('no multiplier found')


class Writer:
    def __init__(self, model):
        self.m, self.out, self.type_names = model, [], sorted(model.types.done)
        self.type_at = {n: i for i, n in enumerate(self.type_names)}

    def put(self, text=''):
        self.out.append(text)

    def types(self):
        done = self.m.types.done
        self.put('static const struct model_type types[%d];\n' % len(self.type_names))
        rows = []
        for i, name in enumerate(self.type_names):
            t, table, n = done[name], '', 0
            if 'enumeration' in t:
                n, table = len(t['enumeration']), ', .enumeration = e%d' % i
                self.put('static const int32_t e%d[] = { %s };' % (i, ', '.join(map(str, t['enumeration']))))
            elif 'strings' in t:
                n, table = len(t['strings']), ', .strings = s%d' % i
                self.put('static const char *const s%d[] = { %s };' % (i, ', '.join(map(quote, t['strings']))))
            elif t['base'] == 'COMPLEX':
                n, table = len(t['members']), ', .members = m%d' % i
                self.put('static const struct model_member m%d[] = { /* %s */' % (i, name))
                for m in t['members']:
                    self.put('\t{ %s, &types[%d], %s, %s }, /* %s */' % (
                        quote(m['sn']), self.type_at[m['type']], flag(m['required']), flag(m['many']), m['type']))
                self.put('};')
            rows.append('\t{ .name = %s, .base = MB_%s, .list = %s, .min_items = %d, .max_items = %d, .choice = %s, .zero = %s, .n = %d%s },' % (
                quote(name), t['base'], flag(t.get('list')), t.get('least', 0), t.get('most', 0), flag(t.get('choice')),
                flag(t.get('zero')), n, table))
        self.put('\nstatic const struct model_type types[%d] = {' % len(self.type_names))
        self.out += rows
        self.put('};\nconst struct model_type *const model_types = types;\nconst unsigned model_n_types = %d;\n' % len(rows))

    def resource(self, i, r):
        self.put('static const struct model_attr a%d[] = { /* %s */' % (i, r['name']))
        for a in r['rows']:
            self.put("\t{ %s, %s, &types[%d], %s, %s, %s, %s, '%s', '%s', %s }," % (
                quote(a['sn']), quote(a['n']), self.type_at[a['type']], flag(a['many']), flag(a['single']), a['c'], a['u'],
                a['annc'], a['kind'], quote(a['def'])))
        if not r['rows']:
            self.put('\t{ 0 },')
        at = {a['sn']: k for k, a in enumerate(r['rows'])}
        index = [at.get(sn, 255) for sn in self.m.attr_names]
        self.put('};\nstatic const uint8_t x%d[] = { %s };' % (i, ', '.join(map(str, index))))
        self.put('static const struct model_child c%d[] = {' % i)
        for kid, fixed, many in r['kids']:
            self.put('\t{ %d, %s, %s }, /* %s */' % (kid['number'], quote(fixed), flag(many), kid['name']))
        self.put(('' if r['kids'] else '\t{ 0 },\n') + '};')

    def resources(self):
        rows = []
        for i, r in enumerate(self.m.resources):
            self.resource(i, r)
            sns = {a['sn'] for a in r['rows']}
            refuse = ['0'] + [str(r['ops'][o]) if isinstance(r['ops'][o], int) else '0' for o in OPS]
            custom = any(a['n'].startswith('[') for a in r['attributes'])
            root = 'm2m:' + r['sn'] if r.get('sn') else ''
            rows.append('\t{ .ty = %d, .name = %s, .sn = %s, .root = %s, .virtual_ = %s, .announced = %s, .in_cse_only = %s, '
                        '.acpi = %s, .state_tag = %s, .creator = %s, .custom = %s, .refuse = { %s }, .n_attrs = %d, .n_children = %d, '
                        '.attrs = a%d, .children = c%d, .index = x%d, .clause = %s },' % (
                            r['number'], quote(r['name']), quote(r.get('sn') or ''), quote(root), flag(r['virtual']),
                            flag('announces' in r), flag(r['in_cse_only']), flag('acpi' in sns), flag('st' in sns), flag('cr' in sns),
                            flag(custom), ', '.join(refuse), len(r['rows']), len(r['kids']), i, i, i,
                            quote(r['clause'].get('core') or r['clause'].get('arch') or '')))
        self.put('const struct model_res model_resources[] = {')
        self.out += rows
        self.put('};\nconst unsigned model_n_resources = %d;\n' % len(rows))
        numbers = sorted((r['number'], i) for i, r in enumerate(self.m.resources) if r['number'])
        if len({n for n, _ in numbers}) != len(numbers):
            fail('a type number is used twice')
        for low, name in ((0, 'ordinary'), (10000, 'announced'), (20000, 'virtual')):
            got = dict((n - low, i) for n, i in numbers if 0 <= n - low < 128)
            self.put('const uint8_t model_ty_%s[128] = { %s };' % (name, ', '.join(str(got.get(n, 255)) for n in range(128))))
        if any(n % 10000 >= 128 for n, _ in numbers):
            fail('type number out of range')
        self.put('const int32_t model_type_numbers[] = { %s };' % ', '.join(map(str, self.m.is_type)))
        self.put('const unsigned model_n_type_numbers = %d;\n' % len(self.m.is_type))

    def names(self):
        roots, attrs = self.m.roots(), {sn: i for i, sn in enumerate(self.m.attr_names)}
        mult, slots = hash_table(sorted(set(roots) | set(attrs)))
        self.put('const uint64_t model_name_multiplier = UINT64_C(0x%016x);' % mult)
        self.put('const struct model_name model_names[1 << MODEL_NAME_BITS] = {')
        for i, name in enumerate(slots):
            if name is not None:
                self.put('\t[%d] = { UINT64_C(0x%x), %d, %d }, /* %s */' % (i, pack(name), attrs.get(name, -1), roots.get(name, -1), name))
        self.put('};\n')

    def codes(self):
        self.put('const struct model_code model_codes[] = {')
        for c in sorted(self.m.codes, key=lambda c: c['rsc']):
            coap = c['coap']
            if isinstance(coap, dict):  # by operation: the first is the usual case
                coap = next(iter(coap.values()))
            self.put('\t{ %d, %d, %s, %s },' % (c['rsc'], c['http'] or 403, quote(c['name']), quote(coap or ('4.03' if not c['http'] else None))))
        self.put('};\nconst unsigned model_n_codes = %d;' % len(self.m.codes))

    def all(self):
        self.put('/* SPDX-License-Identifier: Apache-2.0 */\n/* Generated by tools/gen_model.py from model/: do not edit. */')
        self.put('#include "codec/model_tables.h"\n')
        self.put('_Static_assert(MODEL_NAME_BITS == %d && MODEL_NAME_PROBES == %d, "generator and lookup disagree");\n' % (HASH_BITS, MAX_PROBES))
        self.types()
        self.resources()
        self.names()
        self.codes()
        return '\n'.join(self.out) + '\n'


def main():
    folder, out = sys.argv[1:]

    def load(name):
        with open(os.path.join(folder, name + '.json'), encoding='utf-8') as f:
            return json.load(f)

    text = Writer(Model(load)).all()
    with open(out, 'w', encoding='utf-8') as f:
        f.write(text)


main()
