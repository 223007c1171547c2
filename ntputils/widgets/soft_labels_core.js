// The next-token problem of a text, computed in the page.
//
// The same definitions as ntputils/corpus.py and ntputils/contexts.py, in the same order, so that the page and Python
// give the same numbers: tests/widgets/test_widget_parity.py holds them together to 1e-12. Nothing here touches the
// page.

const TOKEN = /\p{L}[\p{L}\p{M}]*(?:['’]\p{L}[\p{L}\p{M}]*)*|\p{Nd}+|[^\p{Z}\p{Cc}\p{Cf}]/gu;
const INVISIBLE = /[\p{Z}\p{Cc}\p{Cf}]+/gu;
const BLANK_LINE = /\n[\p{Z}\p{Cc}\p{Cf}]*\n/u;
const END_OF_TEXT = "<|endoftext|>";
const UNK = "<unk>";

/** Cuts a text into documents: at `<|endoftext|>` as written, and at blank lines. */
export function documents(text) {
  // Line breaks become "\n" first: in a pattern that takes all three, "\r\n" alone would pass for two of them.
  return text.split(END_OF_TEXT).flatMap((part) => part.replace(/\r\n?/g, "\n").split(BLANK_LINE));
}

/** Tokens of one document: "words", "characters", or a function from a string to an array of strings. */
export function tokenize(text, tokenizer = "words") {
  if (typeof tokenizer === "function") return tokenizer(text);
  const folded = text.normalize("NFC").toLowerCase();
  if (tokenizer === "characters") return Array.from(folded.replace(INVISIBLE, " ").replace(/^ | $/g, ""));
  return folded.match(TOKEN) ?? [];
}

/** Orders strings by code point, as Python does; JavaScript's own order goes by UTF-16 unit. */
export function compareCodePoints(a, b) {
  const length = Math.min(a.length, b.length);
  for (let k = 0; k < length; k++) {
    if (a.charCodeAt(k) !== b.charCodeAt(k)) return a.codePointAt(k) - b.codePointAt(k);
  }
  return a.length - b.length;
}

function compareIds(a, b) {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return a[k] - b[k];
  return 0;
}

/** The tokens of each document, at most `limit` of them in all, and whether some were left out. */
function read(text, tokenizer, limit) {
  const docs = [];
  let room = limit;
  for (const document of documents(text)) {
    const tokens = tokenize(document, tokenizer);
    if (tokens.length > room) return { docs: [...docs, tokens.slice(0, room)], truncated: true };
    room -= tokens.length;
    docs.push(tokens);
  }
  return { docs, truncated: false };
}

/** Distinct tokens by falling count, ties by code point. */
function rankTokens(docs) {
  const tally = new Map();
  for (const tokens of docs) for (const token of tokens) tally.set(token, (tally.get(token) ?? 0) + 1);
  return [...tally.keys()].sort((a, b) => tally.get(b) - tally.get(a) || compareCodePoints(a, b));
}

/** Every occurrence of T tokens of one document and a next token inside the vocabulary (id < V). */
function countOccurrences(docs, ids, V, T) {
  const found = new Map();
  for (const tokens of docs) {
    const row = tokens.map((token) => ids.get(token) ?? V);
    for (let end = T; end < row.length; end++) {
      const next = row[end];
      if (next === V) continue; // `<unk>` may stand in a context, it is never a next token
      const context = row.slice(end - T, end);
      const key = context.join(" ");
      let entry = found.get(key);
      if (!entry) found.set(key, (entry = { ids: context, count: 0, next: new Map() }));
      entry.count += 1;
      entry.next.set(next, (entry.next.get(next) ?? 0) + 1);
    }
  }
  return [...found.values()].sort((a, b) => b.count - a.count || compareIds(a.ids, b.ids));
}

/** Says in a sentence why no context is left. */
function explainNothingLeft(tokenCount, longest, V, T) {
  const need = T === 1
    ? "two words: one to look at, and one that follows it"
    : `${T + 1} words: ${T} to look at, and one that follows them`;
  if (tokenCount === 0) return `There is no word here yet. Write at least ${need}.`;
  if (longest <= T) {
    const have = longest === 1 ? "one word" : `${longest} words`;
    return `The longest document here has ${have}; contexts of length ${T} need at least ${need}.`;
  }
  return `With a vocabulary of ${V}, every word that follows a context is a rare one (${UNK}) and drops out. ` +
    "Enlarge the vocabulary, shorten the context, or write more.";
}

/**
 * The soft labels of a text: contexts, how often they occur, and the distribution of the token that follows.
 *
 * Returns { vocab, V, T, m, n, contexts, counts, pi, columns, entropy, tokens, distinct, truncated }, where
 * `columns[j]` is { ids, p }: the support of context j in rising order, and its probabilities. Where Python raises
 * ValueError it returns { error, tokens, distinct, truncated }. `vocabSize` 0 keeps every token; `maxTokens` bounds
 * what is read.
 */
export function softLabels(text, { contextLength = 1, vocabSize = 0, tokenizer = "words", maxTokens = Infinity } = {}) {
  const { docs, truncated } = read(text, tokenizer, maxTokens);
  const ranked = rankTokens(docs);
  const tokens = docs.reduce((sum, doc) => sum + doc.length, 0);
  const vocab = vocabSize > 0 ? ranked.slice(0, vocabSize) : ranked;
  const V = vocab.length;
  const ids = new Map(vocab.map((token, id) => [token, id]));
  const entries = countOccurrences(docs, ids, V, contextLength);
  const about = { tokens, distinct: ranked.length, truncated };
  if (entries.length === 0) {
    const longest = Math.max(0, ...docs.map((doc) => doc.length));
    return { error: explainNothingLeft(tokens, longest, V, contextLength), ...about };
  }

  const n = entries.reduce((sum, entry) => sum + entry.count, 0);
  const pi = entries.map((entry) => entry.count / n);
  const columns = entries.map((entry) => {
    const support = [...entry.next.keys()].sort((a, b) => a - b);
    return { ids: support, p: support.map((id) => entry.next.get(id) / entry.count) };
  });
  const entropy = columns.reduce((sum, column, j) => sum + pi[j] * columnEntropy(column), 0);
  const contexts = entries.map((entry) => entry.ids);
  const counts = entries.map((entry) => entry.count);
  return { vocab, V, T: contextLength, m: contexts.length, n, contexts, counts, pi, columns, entropy, ...about };
}

/** Entropy of one context's next token, in nats. */
export function columnEntropy(column) {
  return column.p.reduce((sum, p) => sum - p * Math.log(p), 0);
}

/** The words of context j, `<unk>` for what the vocabulary leaves out. */
export function contextWords(result, j) {
  return result.contexts[j].map((id) => (id === result.V ? UNK : result.vocab[id]));
}

/** Share of contexts with one next token only, and the mean size of a support (every context counts once). */
export function supportSummary(result) {
  const sizes = result.columns.map((column) => column.ids.length);
  const oneHot = sizes.filter((size) => size === 1).length;
  return { oneHotShare: oneHot / result.m, meanSupport: sizes.reduce((sum, size) => sum + size, 0) / result.m };
}

// Matrices: { rows, cols, at(i, j), limit }. Entries are worked out when they are asked for, from the supports alone:
// the context Gram matrix of 5,000 contexts would be 25 million numbers, of which the page shows a few hundred.
// `limit` bounds |entry| over the whole matrix, so that colours mean the same wherever the reader looks.

function indexIn(sorted, id) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < id) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === id ? low : -1;
}

function overlap(a, b) {
  let shared = 0;
  for (let x = 0, y = 0; x < a.length && y < b.length; ) {
    if (a[x] === b[y]) { shared += 1; x += 1; y += 1; }
    else if (a[x] < b[y]) x += 1;
    else y += 1;
  }
  return shared;
}

function largest(count, value) {
  let best = 0;
  for (let k = 0; k < count; k++) best = Math.max(best, value(k));
  return best;
}

/** S (V x m): 1 where the word follows the context. */
export function supportMatrix({ V, m, columns }) {
  return { rows: V, cols: m, limit: 1, at: (i, j) => (indexIn(columns[j].ids, i) < 0 ? 0 : 1) };
}

/** P (V x m): how often it does, given the context. */
export function probabilityMatrix({ V, m, columns }) {
  const at = (i, j) => {
    const k = indexIn(columns[j].ids, i);
    return k < 0 ? 0 : columns[j].p[k];
  };
  return { rows: V, cols: m, limit: 1, at };
}

/** (I - 11'/V) S (V x m): each column of S less its mean. */
export function centredSupport({ V, m, columns }) {
  const share = columns.map((column) => column.ids.length / V);
  const at = (i, j) => (indexIn(columns[j].ids, i) < 0 ? 0 : 1) - share[j];
  return { rows: V, cols: m, limit: largest(m, (j) => Math.max(1 - share[j], share[j])), at };
}

/** The Gram matrix of the rows of the centred support (V x V): which words follow the same contexts. */
export function gramWords({ V, m, columns }) {
  const contextsOf = Array.from({ length: V }, () => []);
  const reach = new Float64Array(V); // sum of the support sizes of a word's contexts
  let squares = 0;
  for (let j = 0; j < m; j++) {
    const size = columns[j].ids.length;
    squares += size * size;
    for (const i of columns[j].ids) {
      contextsOf[i].push(j);
      reach[i] += size;
    }
  }
  // sum_j (S_ij - s_j/V)(S_kj - s_j/V), multiplied out
  const at = (i, k) => overlap(contextsOf[i], contextsOf[k]) - (reach[i] + reach[k]) / V + squares / (V * V);
  // A Gram matrix has its largest entry on the diagonal (Cauchy-Schwarz).
  return { rows: V, cols: V, limit: largest(V, (i) => at(i, i)), at };
}

/** The Gram matrix of the columns of the centred support (m x m): which contexts are followed by the same words. */
export function gramContexts({ V, m, columns }) {
  const size = (j) => columns[j].ids.length;
  const at = (j, k) => overlap(columns[j].ids, columns[k].ids) - (size(j) * size(k)) / V;
  return { rows: m, cols: m, limit: largest(m, (j) => at(j, j)), at };
}
