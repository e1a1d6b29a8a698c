#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

#include "variants/memtable/btree_search.h"

namespace lsmlab::memtable_parts {

inline constexpr uint32_t kSlots = 64;

// A node of the memtable's B+-tree, and whole as a leaf: up to 64 records in order, with their key
// heads. An inner node's record i is the smallest record of its child i+1.
//
// All keys of the node share their first `skip` bytes, kept in `prefix`; heads start after them.
//
// Concurrency (optimistic lock coupling, Leis et al. 2016): the writer makes `version` odd, changes
// the node, and makes it even again. Whatever a reader takes from a node is of use only if the
// version was even before and is the same after.
struct alignas(64) Node {
  std::atomic<uint32_t> version{0};
  std::atomic<uint16_t> count{0};
  std::atomic<uint16_t> skip{0};
  std::atomic<Node*> next{nullptr};  // leaves: the next one in order
  alignas(16) unsigned char prefix[kPrefixBytes] = {};
  alignas(64) uint64_t heads[kSlots];
  const Record* records[kSlots];
};
static_assert(sizeof(Node) == 1088);

struct InnerNode : Node {
  Node* children[kSlots + 1];
};

inline Node* ChildAt(const Node& node, uint32_t i) noexcept {
  return LoadRelaxed(static_cast<const InnerNode&>(node).children[i]);
}

// How a reader waits for a change to end: a bounded spin, then give up the processor, as the writer
// may have lost its own.
class Backoff {
 public:
  void Wait() noexcept {
    if (++spins_ < 128) {
      __builtin_ia32_pause();
    } else {
      sched_yield();
    }
  }

 private:
  int spins_ = 0;
};

// The version of a node that is not being changed now.
inline uint32_t ReadVersion(const Node& node) noexcept {
  uint32_t version = node.version.load(std::memory_order_acquire);
  for (Backoff backoff; (version & 1) != 0;
       version = node.version.load(std::memory_order_acquire)) {
    backoff.Wait();
  }
  return version;
}
// Whether everything loaded since `version` was read belongs to that version.
inline bool Unchanged(const Node& node, uint32_t version) noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);
  return node.version.load(std::memory_order_relaxed) == version;
}

inline void BeginChange(Node& node) noexcept {
  node.version.store(node.version.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
}
inline void EndChange(Node& node) noexcept {
  node.version.store(node.version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

// Ask for what a search reads first: header line and heads.
inline void PrefetchHeads(const Node* node) noexcept {
  const char* line = reinterpret_cast<const char*>(node);
  for (size_t at = 0; at < offsetof(Node, records); at += 64) __builtin_prefetch(line + at);
}
inline void PrefetchRecords(const Node* node) noexcept {
  const char* line = reinterpret_cast<const char*>(node);
  for (size_t at = offsetof(Node, records); at < sizeof(Node); at += 64) {
    __builtin_prefetch(line + at);
  }
}

inline constexpr int kChanged = -1;

// Among equal heads [from, to) the full keys decide. A slot may hold anything while the node is
// changed, so no record is looked at before its slot is validated.
inline int ResolveTies(const Node& node, uint32_t version, const Target& target, uint32_t from,
                       uint32_t to) noexcept {
  while (from < to) {
    const uint32_t middle = (from + to) / 2;
    const Record* record = LoadRelaxed(node.records[middle]);
    if (!Unchanged(node, version)) return kChanged;
    if (Compare(*record, target.key(), target.tag()) < 0) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return static_cast<int>(from);
}

// How many records of the node are before the target, or kChanged. Of use only if the node proves
// Unchanged(version) afterwards.
inline int LowerBound(const Node& node, uint32_t version, const Target& target) noexcept {
  const uint32_t count = node.count.load(std::memory_order_relaxed);
  const uint32_t skip = node.skip.load(std::memory_order_relaxed);
  const int order = target.ComparePrefix(node.prefix, skip);
  if (order != 0) [[unlikely]]
    return order < 0 ? 0 : static_cast<int>(count);
  const uint64_t head = target.Head(skip);
  const uint32_t less = CountLess(node.heads, count, head);
  if (less == count || LoadRelaxed(node.heads[less]) != head) return static_cast<int>(less);
  uint32_t end = less + 1;
  if (end < count && LoadRelaxed(node.heads[end]) == head) {
    end = head == ~uint64_t{0} ? count : CountLess(node.heads, count, head + 1);
  }
  return ResolveTies(node, version, target, less, end);
}

}  // namespace lsmlab::memtable_parts
