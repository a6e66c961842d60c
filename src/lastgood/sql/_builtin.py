"""PostgreSQL's own functions, as far as migrations call them. A function that is not here may do anything."""

from typing import Final

STEADY: Final = frozenset(
    """
    abs acos age any_value array_agg array_append array_cat array_dims array_fill array_length array_lower
    array_ndims array_position array_positions array_prepend array_remove array_replace array_sample array_to_json
    array_to_string array_upper ascii asin atan atan2 avg bit_and bit_length bit_or bit_xor bool_and bool_or btrim
    cardinality cbrt ceil ceiling char_length character_length chr coalesce col_description concat concat_ws convert
    convert_from convert_to corr cos count crypt cume_dist current_catalog current_database current_schema
    current_schemas current_setting current_user date date_bin date_part date_trunc daterange decode degrees
    dense_rank digest div encode enum_first enum_last enum_range every exp extract factorial family first_value
    floor format format_type gcd generate_series generate_subscripts get_bit get_byte greatest has_column_privilege
    has_database_privilege has_schema_privilege has_table_privilege hashtext hmac host hstore initcap int4range
    int8range interval is_normalized isempty isfinite json_agg json_array_elements json_array_elements_text
    json_array_length json_build_array json_build_object json_each json_each_text json_extract_path
    json_extract_path_text json_object json_object_agg json_object_keys json_populate_record json_populate_recordset
    json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg
    jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax
    jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval
    lag last_value lcm lead least left length ln lo_get localtime localtimestamp log log10 lower lower_inc lower_inf
    lpad ltree ltrim make_date make_interval make_time make_timestamp make_timestamptz masklen max md5 min min_scale
    mod mode normalize now nth_value ntile nullif num_nonnulls num_nulls numrange obj_description octet_length
    overlaps overlay parse_ident percent_rank percentile_cont percentile_disc pg_backend_pid pg_client_encoding
    pg_column_size pg_database_size pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef
    pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_indexes_size
    pg_is_in_recovery pg_relation_size pg_size_pretty pg_table_is_visible pg_table_size pg_total_relation_size
    pg_typeof phraseto_tsquery pi plainto_tsquery position pow power quote_ident quote_literal quote_nullable
    radians rank regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table regexp_substr regr_slope repeat replace reverse right round
    row_number row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen setweight sha224 sha256 sha384
    sha512 shobj_description sign similarity sin split_part sqrt starts_with statement_timestamp stddev stddev_pop
    stddev_samp string_agg string_to_array string_to_table strip strpos substr substring sum tan text text2ltree
    timestamp timestamptz timezone to_ascii to_char to_date to_hex to_json to_jsonb to_number to_regclass
    to_regnamespace to_regproc to_regrole to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp
    translate trim trim_scale trunc ts_headline ts_rank ts_rank_cd tsrange tstzrange unaccent unistr unnest upper
    upper_inc upper_inf user uuid_generate_v3 uuid_generate_v5 uuid_nil uuid_ns_dns uuid_ns_url var_pop var_samp
    variance version websearch_to_tsquery width_bucket
    """.split()  # noqa: SIM905 - two hundred lines would say no more
)
"""They change nothing, and within one statement give one value for one argument."""

VOLATILE: Final = frozenset(
    """
    array_shuffle clock_timestamp currval gen_random_bytes gen_random_uuid gen_salt lastval nextval pg_advisory_lock
    pg_advisory_unlock pg_advisory_xact_lock pg_current_snapshot pg_current_xact_id pg_notify pg_sleep
    pg_try_advisory_lock pg_try_advisory_xact_lock random random_normal set_config setseed setval timeofday
    txid_current uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7
    """.split()  # noqa: SIM905 - two hundred lines would say no more
)
"""They give another value each time, or change what is no data of anybody; `setval` and `set_config` are looked at."""

EXTENSIONS: Final = frozenset(
    """
    array_sample crypt digest gen_random_bytes gen_random_uuid gen_salt hmac hstore ltree similarity text2ltree
    unaccent uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuid_nil
    uuid_ns_dns uuid_ns_url
    """.split()  # noqa: SIM905 - two hundred lines would say no more
)
"""Those of the above that extensions bring, so that they may be in any schema."""


def known(name: tuple[str, ...]) -> bool:
    """Whether calling the function can be judged."""
    last = name[-1]
    return last in STEADY | VOLATILE and (name[:-1] in ((), ("pg_catalog",)) or last in EXTENSIONS)


def steady(name: tuple[str, ...]) -> bool:
    """Whether the function surely gives one value for all rows of a statement, given the same arguments."""
    return known(name) and name[-1] in STEADY
