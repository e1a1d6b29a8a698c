#include "variants/validity.h"

#include <string>

namespace lsmlab {
namespace {

bool LogIsOff(const Composition& c) { return c.wal.variant->name == "off"; }

// Which compositions are refused. Everything else that the settings' own ranges allow is a sensible
// composition: the tests draw theirs from it.
constexpr ValidityRule kRules[] = {
    {"engine.wal.sync",
     "engine.wal.variant is 'off', which keeps nothing that could be synced; "
     "allowed with it is 'none'",
     [](const Composition& c) { return LogIsOff(c) && c.wal.settings.Choice("sync") != "none"; }},
    {"engine.wal.sync",
     "a sync every t ms needs a thread, and engine.executor.variant 'inline' has "
     "none; allowed with it are 'none', 'group' and 'every'",
     [](const Composition& c) {
       return c.executor.variant->name == "inline" && c.wal.settings.Choice("sync") == "interval";
     }},
    {"engine.values.variant",
     "engine.compaction.variant is 'fifo', whose max_size counts the bytes of tables; "
     "allowed with it is 'inline'",
     [](const Composition& c) {
       return c.compaction.variant->name == "fifo" && c.values.variant->name != "inline";
     }},
};

}  // namespace

std::span<const ValidityRule> ValidityRules() noexcept { return kRules; }

const ValidityRule* FindViolation(const Composition& composition) {
  for (const ValidityRule& rule : kRules) {
    if (rule.refuses(composition)) return &rule;
  }
  return nullptr;
}

}  // namespace lsmlab
