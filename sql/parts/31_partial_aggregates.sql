-- ---------------------------------------------------------------------------
-- Parts of aggregates: what a node delivers of an aggregate that is combined elsewhere is its transition state.
-- partial_NAME has the transition function of pg_catalog.NAME and ends with its serialized state. Every user may call them,
-- as the aggregates that they are parts of.
-- ---------------------------------------------------------------------------

CREATE AGGREGATE expanse.partial_avg(bigint)
    (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = int8_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(integer)
    (SFUNC = int4_avg_accum, STYPE = bigint[], INITCOND = '{0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(interval)
    (SFUNC = interval_accum, STYPE = interval[], INITCOND = '{0 second,0 second}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(numeric)
    (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(smallint)
    (SFUNC = int2_avg_accum, STYPE = bigint[], INITCOND = '{0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_corr(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_covar_pop(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_covar_samp(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_avgx(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_avgy(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_intercept(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_r2(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_slope(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_sxx(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_sxy(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_syy(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_sum(bigint)
    (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = int8_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_sum(numeric)
    (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);

DO $$
DECLARE
    part regprocedure;
BEGIN
    FOR part IN SELECT oid FROM pg_proc WHERE pronamespace = 'expanse'::regnamespace AND prokind = 'a' LOOP
        EXECUTE format('COMMENT ON AGGREGATE %s IS %L', part,
            'Gives the transition state of ' || substr((SELECT proname FROM pg_proc WHERE oid = part), 9)
            || ', to be combined on another node.');
    END LOOP;
END
$$;
