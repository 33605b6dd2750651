namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        if (!options.Overwrite && options.IfMatch is null && await HeadOrNullAsync(key, cancel).ConfigureAwait(false) is not null)
            // checked again when the object is to appear
            throw new StoreException(ErrorKind.AlreadyExists, Root.Child(key), "the object exists and overwrite is off");
        return new S3Writer(this, key, options);
    }
}
