#pragma once

#include <array>
#include <atomic>
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

// One version of a key, newest first in the key's chain. The record follows.
struct ArtVersion {
  std::atomic<ArtVersion*> older{nullptr};
  const Record& record() const noexcept { return *reinterpret_cast<const Record*>(this + 1); }
};

// A key with all its versions: at least one.
struct ArtLeaf {
  std::atomic<ArtVersion*> newest{nullptr};
  const ArtVersion* first() const noexcept { return newest.load(std::memory_order_acquire); }
  Slice key() const noexcept { return first()->record().key(); }
};

struct ArtNode;

// Nothing, a leaf or a node, in one word.
class ArtChild {
 public:
  ArtChild() noexcept = default;
  explicit ArtChild(ArtLeaf* leaf) noexcept : word_(reinterpret_cast<uintptr_t>(leaf) | 1) {}
  explicit ArtChild(ArtNode* node) noexcept : word_(reinterpret_cast<uintptr_t>(node)) {}
  explicit operator bool() const noexcept { return word_ != 0; }
  bool is_leaf() const noexcept { return (word_ & 1) != 0; }
  ArtLeaf* leaf() const noexcept { return reinterpret_cast<ArtLeaf*>(word_ & ~uintptr_t{1}); }
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

// What the four sizes share. Children of `kFew` sizes (4, 16) stand in order of arrival.
struct ArtNode {
  enum class Kind : uint8_t { k4, k16, k48, k256 };

  ArtNode(Kind k, uint32_t branch_at, const char* some_key) noexcept
      : kind(k), branch(branch_at), sample(some_key) {}

  const Kind kind;
  const uint32_t branch;           // the byte of the key that chooses the child
  const char* const sample;        // bytes of a key below; those before `branch` are all keys'
  std::atomic<uint32_t> count{0};  // children
  ArtSlot terminal;                // the key that ends before the branch, first of all below
};

template <size_t kRoom, ArtNode::Kind kKind>
struct ArtFew : ArtNode {
  ArtFew(uint32_t branch_at, const char* some_key) noexcept : ArtNode(kKind, branch_at, some_key) {}
  std::array<uint8_t, kRoom> bytes{};
  std::array<ArtSlot, kRoom> children;
};
using ArtNode4 = ArtFew<4, ArtNode::Kind::k4>;
using ArtNode16 = ArtFew<16, ArtNode::Kind::k16>;

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
  for (uint32_t i = 0; i < count; ++i) {
    if (node.bytes[i] == byte) return &node.children[i];
  }
  return nullptr;
}

// The slot of the child for a byte, or null.
inline ArtSlot* FindSlot(ArtNode& node, uint8_t byte) noexcept {
  switch (node.kind) {
    case ArtNode::Kind::k4:
      return FindAmong(static_cast<ArtNode4&>(node), byte);
    case ArtNode::Kind::k16:
      return FindAmong(static_cast<ArtNode16&>(node), byte);
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
