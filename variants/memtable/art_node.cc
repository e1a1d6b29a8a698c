#include "variants/memtable/art_node.h"

namespace lsmlab::memtable_parts {
namespace {

// Calls visit(byte, child) for every child, in any order.
template <typename Visit>
void ForEach(const ArtNode& node, Visit visit) {
  const uint32_t count = node.count.load(std::memory_order_acquire);
  const auto few = [&](const auto& of) {
    for (uint32_t i = 0; i < count; ++i) visit(of.bytes.at(i), of.children[i].load());
  };
  switch (node.kind) {
    case ArtNode::Kind::k4:
      return few(static_cast<const ArtNode4&>(node));
    case ArtNode::Kind::k16:
      return few(static_cast<const ArtNode16&>(node));
    case ArtNode::Kind::k32:
      return few(static_cast<const ArtNode32&>(node));
    case ArtNode::Kind::k48: {
      const auto& some = static_cast<const ArtNode48&>(node);
      for (uint32_t byte = 0; byte < 256; ++byte) {
        const uint8_t place = some.place[byte].load(std::memory_order_acquire);
        if (place != 0) visit(static_cast<uint8_t>(byte), some.children[place - 1u].load());
      }
      return;
    }
    default:
      const auto& all = static_cast<const ArtNode256&>(node);
      for (uint32_t byte = 0; byte < 256; ++byte) {
        if (const ArtChild child = all.children[byte].load()) {
          visit(static_cast<uint8_t>(byte), child);
        }
      }
  }
}

template <typename Few>
void Append(Few& node, uint8_t byte, ArtChild child) {
  const uint32_t count = node.count.load(std::memory_order_relaxed);
  node.bytes.Set(count, byte);
  node.children[count].store(child);
  node.count.store(count + 1, std::memory_order_release);
}
void Put(ArtNode48& node, uint8_t byte, ArtChild child) {
  const uint32_t count = node.count.load(std::memory_order_relaxed);
  node.children[count].store(child);
  node.place[byte].store(static_cast<uint8_t>(count + 1), std::memory_order_release);
  node.count.store(count + 1, std::memory_order_release);
}
void Put(ArtNode256& node, uint8_t byte, ArtChild child) {
  node.children[byte].store(child);
  node.count.store(node.count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}
template <size_t kRoom, ArtNode::Kind kKind>
void Put(ArtFew<kRoom, kKind>& node, uint8_t byte, ArtChild child) {
  Append(node, byte, child);
}

// A larger node with the same children and one more.
template <typename Larger>
ArtNode* Grow(const ArtNode& node, uint8_t byte, ArtChild child, Arena& arena) {
  auto* larger = NewInArena<Larger>(arena, node.branch, node.sample);
  larger->terminal.store(node.terminal.load());
  ForEach(node, [&](uint8_t b, ArtChild c) { Put(*larger, b, c); });
  Put(*larger, byte, child);
  return larger;
}

// Whether a byte leads to its child without a search, so that neighbours are found step by step.
bool IsIndexed(const ArtNode& node) noexcept { return node.kind >= ArtNode::Kind::k48; }

// REQUIRES: IsIndexed(node); byte in 0..255.
ArtChild IndexedChild(const ArtNode& node, int byte) noexcept {
  const auto at = static_cast<size_t>(byte);
  if (node.kind == ArtNode::Kind::k256) {
    return static_cast<const ArtNode256&>(node).children[at].load();
  }
  const auto& some = static_cast<const ArtNode48&>(node);
  const uint8_t place = some.place[at].load(std::memory_order_acquire);
  return place == 0 ? ArtChild() : some.children[place - 1u].load();
}

}  // namespace

ArtChild ChildFrom(const ArtNode& node, int from) noexcept {
  if (IsIndexed(node)) {
    for (int byte = from; byte < 256; ++byte) {
      if (const ArtChild child = IndexedChild(node, byte)) return child;
    }
    return {};
  }
  ArtChild best;
  int best_byte = 256;
  ForEach(node, [&](uint8_t byte, ArtChild child) {
    if (byte < from || byte >= best_byte) return;
    best = child;
    best_byte = byte;
  });
  return best;
}

ArtChild ChildUpTo(const ArtNode& node, int from) noexcept {
  if (IsIndexed(node)) {
    for (int byte = from; byte >= 0; --byte) {
      if (const ArtChild child = IndexedChild(node, byte)) return child;
    }
    return {};
  }
  ArtChild best;
  int best_byte = -1;
  ForEach(node, [&](uint8_t byte, ArtChild child) {
    if (byte > from || byte <= best_byte) return;
    best = child;
    best_byte = byte;
  });
  return best;
}

ArtNode* AddChild(ArtNode* node, uint8_t byte, ArtChild child, Arena& arena) {
  const uint32_t count = node->count.load(std::memory_order_relaxed);
  switch (node->kind) {
    case ArtNode::Kind::k4:
      if (count == 4) return Grow<ArtNode16>(*node, byte, child, arena);
      Append(static_cast<ArtNode4&>(*node), byte, child);
      return node;
    case ArtNode::Kind::k16:
      if (count == 16) return Grow<ArtNode32>(*node, byte, child, arena);
      Append(static_cast<ArtNode16&>(*node), byte, child);
      return node;
    case ArtNode::Kind::k32:
      if (count == 32) return Grow<ArtNode48>(*node, byte, child, arena);
      Append(static_cast<ArtNode32&>(*node), byte, child);
      return node;
    case ArtNode::Kind::k48:
      if (count == 48) return Grow<ArtNode256>(*node, byte, child, arena);
      Put(static_cast<ArtNode48&>(*node), byte, child);
      return node;
    default:
      Put(static_cast<ArtNode256&>(*node), byte, child);
      return node;
  }
}

}  // namespace lsmlab::memtable_parts
