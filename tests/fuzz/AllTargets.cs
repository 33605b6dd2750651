using S3dlio.Fuzz.Targets;

namespace S3dlio.Fuzz;

/// <summary>Every parser of the library that is given bytes of somebody else. A new one is a class in Targets/ and a line here.</summary>
public static class AllTargets
{
    public static IReadOnlyList<Target> List { get; } =
    [
        new NpyHeaderTarget(),
        new SafetensorsTarget(),
        new UriTarget(),
        new BlobUrlTarget(),
        new OptionsTarget(),
        new PutOptionsTarget(),
        new EndpointTarget(),
        new ConnectionStringTarget(),
        new ProfileTarget(),
        new S3ListTarget(),
        new S3UploadsTarget(),
        new S3PartsTarget(),
        new S3BucketsTarget(),
        new S3TagsTarget(),
        new S3DeletedTarget(),
        new S3ResultTarget(),
        new S3ErrorTarget(),
        new AzureListTarget(),
        new AzureContainersTarget(),
        new AzureTagsTarget(),
        new AzureErrorTarget(),
        new S3HeadersTarget(),
        new AzureHeadersTarget(),
        new MetadataTextTarget(),
        new EncodingTarget(),
        new ChecksumTarget(),
        new BlockChecksumsTarget(),
        new FileAttributeRecordTarget(),
        new SeekTableTarget(),
        new CompressedReaderTarget(),
        new ManifestTarget(),
        new SegmentHeaderTarget(),
        new SegmentTarget(),
        new LogMetaTarget(),
        new LogTailTarget(),
        new ObjectManifestTarget(),
        new HttpHeadTarget(),
        new HttpChunksTarget(),
    ];
}
