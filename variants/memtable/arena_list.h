#pragma once

#include <algorithm>
#include <array>
#include <atomic>

#include "engine/base/arena.h"
#include "variants/memtable/record.h"
#include "variants/memtable/skiplist_memtable.h"

namespace lsmlab::memtable_parts {

// A skiplist in an arena: nodes with their keys inline, and beside each link the 8-byte head of the
// key it leads to, so that a search touches only the nodes on its path; branching 2 is best then.
//
// One writer, readers that never wait. The two words of a link are not read as one: the writer
// stores `next`, then `head`; a reader loads `head`, then `next`. As nodes are only ever inserted,
// the heads seen in a link never grow, so a reader's head is at least that of the node its `next`
// names. Hence:
//  1. head < target: the node is before the target, without looking at it.
//  2. head > target: everything that was linked before the search is after the target. The node may
//     be a newcomer before the target all the same; only the lowest level must look.
//  3. head = target: the full keys decide.
class ArenaList {
 public:
  // The links [0, height) stand before the node, lowest last.
  using Node = Record;

  // `tower`: the tallest a node may get, at most kMaxTower.
  ArenaList(int64_t branching, Arena& arena, int tower = kMaxTower)
      : arena_(arena), heights_(branching, tower), head_(NewNode({}, tower, 0, {})) {}

  void Insert(Slice key, Tag tag, Slice value) {
    // What a tower and a record of usual size take; the rest of a longer one is fetched by its
    // copy.
    arena_.FetchAhead(std::min<size_t>(2 * sizeof(Link) + Record::BytesFor(key, value), 512));
    std::array<Node*, kMaxTower> before;
    before.fill(head_);
    Search(key, tag, before.data());
    const int height = heights_.Next();
    Node* node = NewNode(key, height, tag, value);
    const uint64_t head = KeyHead(key, 0);
    for (int level = 0; level < height; ++level) {
      Link& link = LinkAt(before[level], level);
      Link& own = LinkAt(node, level);
      own.head.store(link.head.load(std::memory_order_relaxed), std::memory_order_relaxed);
      own.next.store(link.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
      link.next.store(node, std::memory_order_release);
      link.head.store(head, std::memory_order_release);
    }
    if (height > height_.load(std::memory_order_relaxed)) {
      height_.store(height, std::memory_order_relaxed);
    }
  }
  const Node* First() const { return Next(head_); }
  const Node* Next(const Node* node) const {
    const Node* next = LinkAt(node, 0).next.load(std::memory_order_acquire);
    if (next != nullptr) __builtin_prefetch(LinkAt(next, 0).next.load(std::memory_order_relaxed));
    return next;
  }
  const Node* AtOrAfter(Slice key, Tag tag) const {
    const Node* node = Search(key, tag, nullptr);
    do {
      node = LinkAt(node, 0).next.load(std::memory_order_acquire);
    } while (node != nullptr && Compare(*node, key, tag) < 0);
    return node;
  }
  const Node* Before(Slice key, Tag tag) const {
    const Node* node = Search(key, tag, nullptr);
    return node == head_ ? nullptr : node;
  }
  const Node* Last() const {
    const Node* node = head_;
    for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0;) {
      const Node* next = LinkAt(node, level).next.load(std::memory_order_acquire);
      if (next != nullptr) {
        node = next;
      } else {
        --level;
      }
    }
    return node == head_ ? nullptr : node;
  }

 private:
  struct Link {
    std::atomic<uint64_t> head{~uint64_t{0}};  // of the end of the list: never before a target
    std::atomic<Node*> next{nullptr};
  };

  static Link& LinkAt(const Node* node, int level) {
    return reinterpret_cast<Link*>(const_cast<Node*>(node))[-1 - level];
  }

  // The last node before (key, tag) among those published. `path`: receives that of every level, or
  // nullptr.
  Node* Search(Slice key, Tag tag, Node** path) const {
    const uint64_t target = KeyHead(key, 0);
    Node* node = head_;
    const Node* beyond = nullptr;  // a node known not to be before the target
    int level = height_.load(std::memory_order_relaxed) - 1;
    while (true) {
      const Link& link = LinkAt(node, level);
      const uint64_t head = link.head.load(std::memory_order_acquire);
      Node* next = link.next.load(std::memory_order_acquire);
      if (head < target) {
        node = next;
        continue;
      }
      if (head == target && next != beyond) {
        if (next != nullptr && Compare(*next, key, tag) < 0) {
          node = next;
          continue;
        }
        beyond = next;
      }
      if (path != nullptr) path[level] = node;
      if (level-- == 0) return node;
    }
  }

  Node* NewNode(Slice key, int height, Tag tag, Slice value) {
    const size_t links = sizeof(Link) * static_cast<size_t>(height);
    char* memory = arena_.Allocate(links + Record::BytesFor(key, value));
    Node* node = Record::Write(memory + links, key, tag, value);
    for (int level = 0; level < height; ++level) new (&LinkAt(node, level)) Link;
    return node;
  }

  Arena& arena_;
  TowerHeights heights_;
  Node* const head_;
  std::atomic<int> height_{1};
};

}  // namespace lsmlab::memtable_parts
