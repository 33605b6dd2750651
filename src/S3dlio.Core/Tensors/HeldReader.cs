using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>A reader whose bytes lie in the caller's memory already: a read only has the system map their pages.</summary>
sealed class HeldReader(ObjectReader inner, string uri) : DelegatingReader(inner)
{
    /// <summary>Whether its bytes are compared with anything; where not, pages that nobody looks at stay on the device.</summary>
    public bool IsLookedAt { get; set; }

    // reads of many pieces would be for the sake of a server
    public override bool ReadsManyAtOnce => false;

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        // one call for many pages is quicker than a fault for each few of them, and where a fault would end the process it fails
        int errno = IsLookedAt ? Interop.PopulateRead(destination.Span) : 0;
        if (errno != 0)
            throw StoreException.InvalidData(uri,
                $"the system does not give the mapped bytes ({Interop.Describe(errno)}): the file was cut short since it was mapped, or "
                + "its device fails; write the file again, or load it without mmap", offset);
        return default;
    }
}
