#pragma once

#include "engine/parts/catalog.h"

namespace lsmlab {

// A log of version edits, rolled over to a snapshot when it has grown.
extern const CatalogVariant kManifestCatalog;

}  // namespace lsmlab
