// `art`: an adaptive radix tree of the keys, each with its versions in a chain: a search reads the
// bytes of the key and compares it once, at the end. Best for short keys and for long common
// prefixes, which one node skips. In order from the first day, but a step to the next key is a
// search of its own, so scans and flushes are slower than those of `btree`.

#include <memory>
#include <string>

#include "engine/base/assert.h"
#include "variants/memtable/art_node.h"
#include "variants/memtable/memtables.h"

namespace lsmlab {
namespace {

using namespace memtable_parts;  // NOLINT: the variant's own namespace

uint8_t ByteAt(Slice key, size_t i) noexcept { return static_cast<uint8_t>(key[i]); }

// Where key and the node's common bytes from `depth` on part: the first byte that differs, or the
// end of the shorter of them.
size_t PartingOf(const ArtNode& node, Slice key, size_t depth) noexcept {
  if (node.branch == depth) return depth;
  const size_t end = std::min<size_t>(node.branch, key.size());
  return depth + CommonPrefix(key.substr(depth, end - depth),
                              Slice(node.sample + depth, node.branch - depth), end - depth);
}

// Thread safety: Insert by one thread at a time; the searches by any number.
class ArtTree {
 public:
  explicit ArtTree(Arena& arena) : arena_(arena) {}

  void Insert(Slice key, Tag tag, Slice value) {
    char* memory =
        arena_.Allocate(sizeof(ArtVersion) + Record::BytesFor(key, value), alignof(ArtVersion));
    auto* version = new (memory) ArtVersion;
    const Record* record = Record::Write(memory + sizeof(ArtVersion), key, tag, value);
    ArtSlot* slot = FindOrAdd(record->key(), version);
    if (slot == nullptr) return;  // a new key
    ArtVersion* newest = slot->load().leaf();
    if (newest->record().tag < tag) [[likely]] {
      version->older.store(newest, std::memory_order_relaxed);
      slot->store(ArtChild(version));
      return;
    }
    std::atomic<ArtVersion*>* link = &newest->older;
    ArtVersion* next = link->load(std::memory_order_relaxed);
    while (next != nullptr && next->record().tag > tag) {
      link = &next->older;
      next = link->load(std::memory_order_relaxed);
    }
    version->older.store(next, std::memory_order_relaxed);
    link->store(version, std::memory_order_release);
  }

  // The leaf of a key, or null.
  const ArtVersion* Find(Slice key) const noexcept {
    ArtChild child = root_.load();
    while (child && !child.is_leaf()) {
      ArtNode& node = *child.node();
      // The bytes skipped are compared at the leaf.
      if (key.size() < node.branch) return nullptr;
      if (key.size() == node.branch) {
        child = node.terminal.load();
        break;
      }
      const ArtSlot* slot = FindSlot(node, ByteAt(key, node.branch));
      if (slot == nullptr) return nullptr;
      child = slot->load();
    }
    if (!child) return nullptr;
    const ArtVersion* leaf = child.leaf();
    return leaf->key() == key ? leaf : nullptr;
  }
  const ArtVersion* First() const noexcept { return Leftmost(root_.load()); }
  const ArtVersion* Last() const noexcept { return Rightmost(root_.load()); }
  // The first leaf with a key of at least `key`, or above it; null if none.
  const ArtVersion* AtOrAfter(Slice key, bool after) const noexcept;
  // The last leaf with a key below `key`; null if none.
  const ArtVersion* Before(Slice key) const noexcept;

 private:
  static const ArtVersion* Leftmost(ArtChild child) noexcept {
    while (child && !child.is_leaf()) {
      const ArtNode& node = *child.node();
      const ArtChild terminal = node.terminal.load();
      child = terminal ? terminal : ChildFrom(node, 0);
    }
    return child ? child.leaf() : nullptr;
  }
  static const ArtVersion* Rightmost(ArtChild child) noexcept {
    while (child && !child.is_leaf()) {
      const ArtNode& node = *child.node();
      const ArtChild last = ChildUpTo(node, 255);
      child = last ? last : node.terminal.load();
    }
    return child ? child.leaf() : nullptr;
  }
  ArtSlot* FindOrAdd(Slice key, ArtVersion* version);
  // A node that branches at `branch`, over what was there (a key below it: `other`) and a new leaf.
  // `dense`: below a node of the largest size, where more keys will come.
  ArtNode* Split(ArtChild there, Slice other, Slice key, size_t branch, bool dense,
                 ArtVersion* version);

  Arena& arena_;
  ArtSlot root_;
};

ArtNode* ArtTree::Split(ArtChild there, Slice other, Slice key, size_t branch, bool dense,
                        ArtVersion* version) {
  const auto at = static_cast<uint32_t>(branch);
  ArtNode* node = dense ? static_cast<ArtNode*>(NewInArena<ArtNode16>(arena_, at, key.data()))
                        : NewInArena<ArtNode4>(arena_, at, key.data());
  const auto put = [&](Slice below, ArtChild child) {
    if (below.size() == branch) {
      node->terminal.store(child);
    } else {
      AddChild(node, ByteAt(below, branch), child, arena_);
    }
  };
  put(other, there);
  put(key, ArtChild(version));
  return node;
}

// Where the key's leaf is; null when it was not there, and is now with this version.
ArtSlot* ArtTree::FindOrAdd(Slice key, ArtVersion* version) {
  ArtSlot* slot = &root_;
  size_t depth = 0;
  bool dense = false;
  while (true) {
    const ArtChild child = slot->load();
    if (!child) {
      slot->store(ArtChild(version));
      return nullptr;
    }
    if (child.is_leaf()) {
      const Slice other = child.leaf()->key();
      const size_t parting =
          depth + CommonPrefix(key.substr(depth), other.substr(depth), key.size());
      if (parting == key.size() && parting == other.size()) return slot;
      slot->store(ArtChild(Split(child, other, key, parting, dense, version)));
      return nullptr;
    }
    ArtNode* node = child.node();
    const size_t parting = PartingOf(*node, key, depth);
    if (parting < node->branch) {
      const Slice common(node->sample, node->branch);
      slot->store(ArtChild(Split(child, common, key, parting, /*dense=*/false, version)));
      return nullptr;
    }
    if (key.size() == node->branch) {
      slot = &node->terminal;
      depth = node->branch;
      continue;
    }
    const uint8_t byte = ByteAt(key, node->branch);
    ArtSlot* next = FindSlot(*node, byte);
    if (next == nullptr) {
      ArtNode* grown = AddChild(node, byte, ArtChild(version), arena_);
      if (grown != node) slot->store(ArtChild(grown));
      return nullptr;
    }
    slot = next;
    depth = node->branch + 1;
    dense = node->kind == ArtNode::Kind::k256;
  }
}

const ArtVersion* ArtTree::AtOrAfter(Slice key, bool after) const noexcept {
  // The last node passed on whose right there is something, and the byte taken there.
  const ArtNode* turn = nullptr;
  int turn_byte = 0;
  const auto right = [&]() -> const ArtVersion* {
    return turn == nullptr ? nullptr : Leftmost(ChildFrom(*turn, turn_byte + 1));
  };
  ArtChild child = root_.load();
  size_t depth = 0;
  while (child && !child.is_leaf()) {
    ArtNode& node = *child.node();
    const size_t parting = PartingOf(node, key, depth);
    if (parting < node.branch) {
      const bool above = parting == key.size() ||
                         static_cast<uint8_t>(node.sample[parting]) > ByteAt(key, parting);
      return above ? Leftmost(child) : right();
    }
    if (key.size() == node.branch) {
      return Leftmost(after ? ChildFrom(node, 0) : child);
    }
    const uint8_t byte = ByteAt(key, node.branch);
    if (ChildFrom(node, byte + 1)) {
      turn = &node;
      turn_byte = byte;
    }
    const ArtSlot* slot = FindSlot(node, byte);
    if (slot == nullptr) return right();
    child = slot->load();
    depth = node.branch + 1;
  }
  if (!child) return nullptr;
  const int order = child.leaf()->key().compare(key);
  return order > 0 || (order == 0 && !after) ? child.leaf() : right();
}

const ArtVersion* ArtTree::Before(Slice key) const noexcept {
  // The last node passed on whose left there is something: a smaller byte, or the key that ends.
  const ArtNode* turn = nullptr;
  int turn_byte = 0;
  const auto left = [&]() -> const ArtVersion* {
    if (turn == nullptr) return nullptr;
    const ArtChild smaller = ChildUpTo(*turn, turn_byte - 1);
    return Rightmost(smaller ? smaller : turn->terminal.load());
  };
  ArtChild child = root_.load();
  size_t depth = 0;
  while (child && !child.is_leaf()) {
    ArtNode& node = *child.node();
    const size_t parting = PartingOf(node, key, depth);
    if (parting < node.branch) {
      const bool below =
          parting < key.size() && static_cast<uint8_t>(node.sample[parting]) < ByteAt(key, parting);
      return below ? Rightmost(child) : left();
    }
    if (key.size() == node.branch) return left();
    const uint8_t byte = ByteAt(key, node.branch);
    if (node.terminal.load() || ChildUpTo(node, byte - 1)) {
      turn = &node;
      turn_byte = byte;
    }
    const ArtSlot* slot = FindSlot(node, byte);
    if (slot == nullptr) return left();
    child = slot->load();
    depth = node.branch + 1;
  }
  if (!child) return nullptr;
  return child.leaf()->key() < key ? child.leaf() : left();
}

// A walk: within a key along its chain, between keys by searches.
class ArtIterator final : public InternalIterator {
 public:
  explicit ArtIterator(const ArtTree& tree) : tree_(tree) {}

  ValueOrTask<Status> Seek(Slice key, Tag tag) override {
    const ArtVersion* leaf = tree_.AtOrAfter(key, /*after=*/false);
    if (leaf == nullptr || leaf->key() != key) return At(leaf);
    const ArtVersion* version = leaf;
    while (version != nullptr && version->record().tag > tag) version = Older(*version);
    if (version == nullptr) return At(tree_.AtOrAfter(key, /*after=*/true));
    return At(version);
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override { return AtBefore(key, tag); }
  ValueOrTask<Status> SeekToFirst() override { return At(tree_.First()); }
  ValueOrTask<Status> SeekToLast() override { return AtOldest(tree_.Last()); }
  ValueOrTask<Status> Next() override { return Step(); }
  ValueOrTask<Status> Prev() override { return AtBefore(entry_.key, entry_.tag); }

 private:
  bool StepInMemory() noexcept override {
    const ArtVersion* version = Older(*at_);
    if (version == nullptr) version = tree_.AtOrAfter(entry_.key, /*after=*/true);
    if (version == nullptr) return false;
    return At(version).ok();
  }
  static const ArtVersion* Older(const ArtVersion& version) noexcept {
    return version.older.load(std::memory_order_acquire);
  }
  Status Step() noexcept {
    if (const ArtVersion* older = Older(*at_); older != nullptr) return At(older);
    return At(tree_.AtOrAfter(entry_.key, /*after=*/true));
  }
  Status AtBefore(Slice key, Tag tag) noexcept {
    const ArtVersion* before = nullptr;
    const ArtVersion* version = tree_.Find(key);
    for (; version != nullptr && version->record().tag > tag; version = Older(*version)) {
      before = version;
    }
    return before != nullptr ? At(before) : AtOldest(tree_.Before(key));
  }
  Status AtOldest(const ArtVersion* version) noexcept {
    while (version != nullptr && Older(*version) != nullptr) version = Older(*version);
    return At(version);
  }
  Status At(const ArtVersion* version) noexcept {
    at_ = version;
    valid_ = version != nullptr;
    if (valid_) {
      const Record& record = version->record();
      entry_ = {record.key(), record.tag, record.value()};
    }
    return Status();
  }

  const ArtTree& tree_;
  const ArtVersion* at_ = nullptr;
};

class ArtMemtable final : public Memtable {
 public:
  explicit ArtMemtable(Arena& arena) : tree_(arena) {}

  void Add(Slice key, Tag tag, Slice value) override {
    LSMLAB_ASSERT(!sealed_.load(std::memory_order_relaxed));
    LSMLAB_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
    tree_.Insert(key, tag, value);
    entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void Get(const LookupKey& lookup, LookupFold& fold) const override {
    for (const ArtVersion* version = tree_.Find(lookup.key); version != nullptr;
         version = version->older.load(std::memory_order_acquire)) {
      if (fold.Feed(version->record().tag, version->record().value())) return;
    }
  }
  std::unique_ptr<InternalIterator> NewIterator() const override {
    return std::make_unique<ArtIterator>(tree_);
  }
  bool ordered_while_mutable() const noexcept override { return true; }
  void Seal() override { sealed_.store(true, std::memory_order_relaxed); }
  uint64_t entries() const noexcept override { return entries_.load(std::memory_order_relaxed); }

 private:
  ArtTree tree_;
  std::atomic<uint64_t> entries_{0};
  std::atomic<bool> sealed_{false};
};

}  // namespace

const MemtableVariant kArtMemtable = {
    "art",
    "adaptive radix tree of the keys, versions of a key in a chain",
    {},
    [](const SettingBag&, Arena& arena) -> std::unique_ptr<Memtable> {
      return std::make_unique<ArtMemtable>(arena);
    }};

}  // namespace lsmlab
