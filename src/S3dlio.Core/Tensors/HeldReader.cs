using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>A reader whose bytes lie in the caller's memory already, so that reads have nothing to do.</summary>
sealed class HeldReader(ObjectReader inner) : DelegatingReader(inner)
{
    // reads of many pieces would be for the sake of a server
    public override bool ReadsManyAtOnce => false;

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel) => default;

    public override ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel) => default;
}
