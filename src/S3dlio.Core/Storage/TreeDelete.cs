namespace S3dlio.Storage;

/// <summary>What became of a tree that was to be deleted.</summary>
/// <param name="Deleted">Objects that were deleted.</param>
/// <param name="Failed">What could not be.</param>
/// <param name="First">The first reason, where something failed.</param>
public sealed record TreeDelete(long Deleted, long Failed, StoreException? First);
