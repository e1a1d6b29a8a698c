// `skiplist`: the textbook memtable (Pugh 1990), a heap allocation per node and a full key compare
// per step. The plainest variant, kept as the base line that the others are measured against.

#include <array>
#include <new>

#include "variants/memtable/memtables.h"
#include "variants/memtable/record.h"
#include "variants/memtable/skiplist_memtable.h"

namespace lsmlab {
namespace {

using memtable_parts::kMaxTower;
using memtable_parts::Record;
using memtable_parts::SkiplistMemtable;
using memtable_parts::TowerHeights;

// One writer links nodes bottom-up with release stores; readers follow links with acquire loads and
// never wait. Nodes live until the list is destroyed.
class HeapList {
 public:
  // The links [0, height) stand before the node, in the same allocation, lowest last.
  using Node = Record;
  using Link = std::atomic<Node*>;

  // Nodes are not in the arena but charged to it, so that the memtable's size is still the arena's.
  HeapList(int64_t branching, Arena& arena)
      : arena_(arena), heights_(branching), head_(NewNode({}, kMaxTower, 0, {})) {}
  ~HeapList() {
    for (Node* node = head_; node != nullptr;) {
      Node* next = LinkAt(node, 0).load(std::memory_order_relaxed);
      ::operator delete(static_cast<void*>(&LinkAt(node, node->spare - 1)));
      node = next;
    }
  }
  HeapList(const HeapList&) = delete;
  HeapList& operator=(const HeapList&) = delete;

  void Insert(Slice key, Tag tag, Slice value) {
    std::array<Node*, kMaxTower> before;
    before.fill(head_);
    Search(key, tag, before.data());
    const int height = heights_.Next();
    Node* node = NewNode(key, height, tag, value);
    for (int level = 0; level < height; ++level) {
      Link& link = LinkAt(before[level], level);
      LinkAt(node, level).store(link.load(std::memory_order_relaxed), std::memory_order_relaxed);
      link.store(node, std::memory_order_release);
    }
    if (height > height_.load(std::memory_order_relaxed)) {
      height_.store(height, std::memory_order_relaxed);
    }
  }
  const Node* First() const { return Next(head_); }
  const Node* Next(const Node* node) const {
    return LinkAt(node, 0).load(std::memory_order_acquire);
  }
  const Node* AtOrAfter(Slice key, Tag tag) const { return Search(key, tag, nullptr).after; }
  const Node* Before(Slice key, Tag tag) const {
    const Node* node = Search(key, tag, nullptr).before;
    return node == head_ ? nullptr : node;
  }
  const Node* Last() const {
    const Node* node = head_;
    for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0;) {
      const Node* next = LinkAt(node, level).load(std::memory_order_acquire);
      if (next != nullptr) {
        node = next;
      } else {
        --level;
      }
    }
    return node == head_ ? nullptr : node;
  }

 private:
  struct Neighbours {
    Node* before;
    Node* after;
  };

  static Link& LinkAt(const Node* node, int level) {
    return reinterpret_cast<Link*>(const_cast<Node*>(node))[-1 - level];
  }

  // The nodes around (key, tag) in the lowest level, as of one moment. `path`: receives the node
  // before on every level, or nullptr.
  Neighbours Search(Slice key, Tag tag, Node** path) const {
    Node* node = head_;
    int level = height_.load(std::memory_order_relaxed) - 1;
    while (true) {
      Node* next = LinkAt(node, level).load(std::memory_order_acquire);
      if (next != nullptr && memtable_parts::Compare(*next, key, tag) < 0) {
        node = next;
        continue;
      }
      if (path != nullptr) path[level] = node;
      if (level-- == 0) return {node, next};
    }
  }

  Node* NewNode(Slice key, int height, Tag tag, Slice value) {
    const size_t links = sizeof(Link) * static_cast<size_t>(height);
    const size_t bytes = links + Record::BytesFor(key, value);
    auto* memory = static_cast<char*>(::operator new(bytes));
    arena_.Charge(bytes);
    Node* node = Record::Write(memory + links, key, tag, value);
    node->spare = static_cast<uint16_t>(height);
    for (int level = 0; level < height; ++level) new (&LinkAt(node, level)) Link(nullptr);
    return node;
  }

  Arena& arena_;
  TowerHeights heights_;
  Node* const head_;
  std::atomic<int> height_{1};
};

constexpr SettingSpec kSkiplistSettings[] = {
    {"branching",
     SettingType::kInteger,
     "4",
     2,
     64,
     {},
     "one node in this many reaches the next level"},
};

}  // namespace

const MemtableVariant kSkiplistMemtable = {
    "skiplist", "skiplist, one heap allocation per node, full key compares", kSkiplistSettings,
    [](const SettingBag& bag, Arena& arena) -> std::unique_ptr<Memtable> {
      return std::make_unique<SkiplistMemtable<HeapList>>(bag.Integer("branching"), arena);
    }};

}  // namespace lsmlab
