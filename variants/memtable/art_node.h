#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#include "engine/base/arena.h"
#include "variants/memtable/record.h"

// Nodes of the adaptive radix tree (Leis, Kemper, Neumann 2013), for one writer and readers that
// never wait. A node only ever gains children; a full one is copied into the next larger size and
// replaced by one store, and the old one stays where it is until the arena goes.
//
// A path is compressed without a copy of its bytes: a node says at which byte of the key it
// branches and names one key below it. All keys below agree with that one before the branch, so a
// node never changes when a new one is put between it and its parent.
namespace lsmlab::memtable_parts {

// One version of a key, newest first in the key's chain. The record follows. A leaf is the newest:
// a newer one takes its place in the tree. (A reader in a node that has been replaced by a larger
// one may see an older leaf; what it misses was not published when it began.)
struct ArtVersion {
  std::atomic<ArtVersion*> older{nullptr};
  const Record& record() const noexcept { return *reinterpret_cast<const Record*>(this + 1); }
  Slice key() const noexcept { return record().key(); }
};

struct ArtNode;

// Nothing, a leaf or a node, in one word.
class ArtChild {
 public:
  ArtChild() noexcept = default;
  explicit ArtChild(ArtVersion* leaf) noexcept : word_(reinterpret_cast<uintptr_t>(leaf) | 1) {}
  explicit ArtChild(ArtNode* node) noexcept : word_(reinterpret_cast<uintptr_t>(node)) {}
  explicit operator bool() const noexcept { return word_ != 0; }
  bool is_leaf() const noexcept { return (word_ & 1) != 0; }
  ArtVersion* leaf() const noexcept { return reinterpret_cast<ArtVersion*>(word_ & ~uintptr_t{1}); }
  ArtNode* node() const noexcept { return reinterpret_cast<ArtNode*>(word_); }

 private:
  uintptr_t word_ = 0;
};

class ArtSlot {
 public:
  ArtChild load() const noexcept { return child_.load(std::memory_order_acquire); }
  void store(ArtChild child) noexcept { child_.store(child, std::memory_order_release); }

 private:
  std::atomic<ArtChild> child_{};
};

// What the five sizes share. The children of the small ones (4, 16, 32) stand in order of arrival.
// (The paper has no 32: a byte in three of them names its child without a search, and costs a
// random tree of a million keys half of its memory in nodes of 48 that are hardly half full.)
struct ArtNode {
  enum class Kind : uint8_t { k4, k16, k32, k48, k256 };

  ArtNode(Kind k, uint32_t branch_at, const char* some_key) noexcept
      : kind(k), branch(branch_at), sample(some_key) {}

  const Kind kind;
  const uint32_t branch;           // the byte of the key that chooses the child
  const char* const sample;        // bytes of a key below; those before `branch` are all keys'
  std::atomic<uint32_t> count{0};  // children
  ArtSlot terminal;                // the key that ends before the branch, first of all below
};

// The bytes of few children, in words that are read and written whole: a search compares all of
// them at once, whatever the writer adds meanwhile.
template <size_t kRoom>
class ArtBytes {
 public:
  uint8_t at(size_t i) const noexcept {
    return static_cast<uint8_t>(words_[i / 8].load(std::memory_order_relaxed) >> (i % 8 * 8));
  }
  // REQUIRES: the i-th was not set before.
  void Set(size_t i, uint8_t byte) noexcept {
    std::atomic<uint64_t>& word = words_[i / 8];
    word.store(word.load(std::memory_order_relaxed) | uint64_t{byte} << (i % 8 * 8),
               std::memory_order_relaxed);
  }
  // Bit i: the i-th of the first `count` is `byte`.
  uint32_t Matches(uint8_t byte, uint32_t count) const noexcept {
    uint64_t found = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      found |= MatchesOf(words_[i].load(std::memory_order_relaxed), byte) << (8 * i);
    }
    return static_cast<uint32_t>(found & ((uint64_t{1} << count) - 1));
  }

 private:
  // One bit for each of the eight bytes, without a carry from one to the next.
  static uint64_t MatchesOf(uint64_t word, uint8_t byte) noexcept {
    constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7f;
    const uint64_t differs = word ^ (uint64_t{byte} * 0x0101010101010101);
    const uint64_t same = ~(((differs & kLow) + kLow) | differs | kLow) >> 7;
    return (same * 0x0102040810204080) >> 56;
  }
  std::array<std::atomic<uint64_t>, (kRoom + 7) / 8> words_{};
};

// Where there are several lines, what a search compares is in the first.
template <size_t kRoom, ArtNode::Kind kKind>
struct alignas(kRoom > 4 ? 64 : 8) ArtFew : ArtNode {
  ArtFew(uint32_t branch_at, const char* some_key) noexcept : ArtNode(kKind, branch_at, some_key) {}
  ArtBytes<kRoom> bytes;
  std::array<ArtSlot, kRoom> children;
};
using ArtNode4 = ArtFew<4, ArtNode::Kind::k4>;
using ArtNode16 = ArtFew<16, ArtNode::Kind::k16>;
using ArtNode32 = ArtFew<32, ArtNode::Kind::k32>;
static_assert(sizeof(ArtNode16) == 192 && sizeof(ArtNode32) == 320);

struct ArtNode48 : ArtNode {
  ArtNode48(uint32_t branch_at, const char* some_key) noexcept
      : ArtNode(Kind::k48, branch_at, some_key) {}
  std::array<std::atomic<uint8_t>, 256> place{};  // 0: no child; else its number plus 1
  std::array<ArtSlot, 48> children;
};

struct ArtNode256 : ArtNode {
  ArtNode256(uint32_t branch_at, const char* some_key) noexcept
      : ArtNode(Kind::k256, branch_at, some_key) {}
  std::array<ArtSlot, 256> children;
};

template <typename Few>
ArtSlot* FindAmong(Few& node, uint8_t byte) noexcept {
  const uint32_t count = node.count.load(std::memory_order_acquire);
  const uint32_t matches = node.bytes.Matches(byte, count);
  return matches == 0 ? nullptr : &node.children[static_cast<size_t>(std::countr_zero(matches))];
}

// The slot of the child for a byte, or null.
inline ArtSlot* FindSlot(ArtNode& node, uint8_t byte) noexcept {
  switch (node.kind) {
    case ArtNode::Kind::k4:
      return FindAmong(static_cast<ArtNode4&>(node), byte);
    case ArtNode::Kind::k16:
      return FindAmong(static_cast<ArtNode16&>(node), byte);
    case ArtNode::Kind::k32:
      return FindAmong(static_cast<ArtNode32&>(node), byte);
    case ArtNode::Kind::k48: {
      auto& some = static_cast<ArtNode48&>(node);
      const uint8_t place = some.place[byte].load(std::memory_order_acquire);
      return place == 0 ? nullptr : &some.children[place - 1u];
    }
    default: {
      ArtSlot& slot = static_cast<ArtNode256&>(node).children[byte];
      return slot.load() ? &slot : nullptr;
    }
  }
}

// The child with the smallest byte of at least `from`, or with the largest of at most `from`.
// `from` may be 256 or -1: then none. A node has one child at least.
ArtChild ChildFrom(const ArtNode& node, int from) noexcept;
ArtChild ChildUpTo(const ArtNode& node, int from) noexcept;

// Adds a child for a byte that has none. The node itself, or the larger one that takes its place.
ArtNode* AddChild(ArtNode* node, uint8_t byte, ArtChild child, Arena& arena);

template <typename T, typename... Args>
T* NewInArena(Arena& arena, Args... args) {
  return new (arena.Allocate(sizeof(T), alignof(T))) T(args...);
}

}  // namespace lsmlab::memtable_parts
